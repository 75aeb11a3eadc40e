/**
 * `npm run plan -- --spec spec.json [--json]`: plans a transformer's training from a
 * spec, without a model or an engine.
 */
import {parseArgs} from 'node:util';
import {ManyHandsError, messageOf} from '../lib/base/errors';
import {planSpecCounted} from '../lib/specPlanner/planSpec';
import type {TransformerSpec} from '../lib/specPlanner/spec';
import {print, typedPath, type Streams} from './commandLine';
import {readJson} from './plan/readJson';
import {planText} from './plan/text';

const help = `Plans the training of a transformer on a machine: meshes, ZeRO, micro-batches, recompute; best first. Nothing is run.

  npm run plan -- --spec SPEC.json [--json]

--spec FILE  the model, the machine and the batch:
  {"model": {"layers", "hidden", "heads", "vocab", "sequence", "ffn"?} or {"parameters"},
   "machine": {"devices", "devicesPerNode", "memoryBytes", "flopsPerSecond", "efficiency"?, "nodeBandwidth", "networkBandwidth", "latency"?},
   "batchSize", "precision": "mixed" | "float32", "recipe"?: {"parameters", "gradients", "optimizer"},
   "fixed"?: {"data", "tensor", "pipeline", "microBatch", "zero", "recompute": "none" | "selective" | "full", "sequenceParallel", "stagesPerRank", "schedule"}}
  Bandwidths are bytes a second of a device, one direction; latency is in seconds; recipe in bytes a parameter. Left out: ffn is 4 x hidden,
  efficiency 0.5, latency 0, sequenceParallel false, stagesPerRank 1, schedule "1f1b" (on one stage: accumulation). Any part of "fixed" may be left out.
--json       prints {parameters, flopsPerStep, rows} on stdout, and nothing else

At most 1000 rows: of more choices, the best micro-batch of each mesh, zero stage and recompute. The table shows the best of each mesh. Tensor is
the innermost axis of the mesh, and within a node unless fixed. Messages overlap with nothing.

Exit code: 0 planned, also where nothing fits (the rows say so); 1 it failed; 2 wrong use, or a spec that cannot be.
`;

/** Runs the command; resolves to its exit code. */
export async function main(
  argv: readonly string[],
  {stdout, stderr}: Streams = process,
): Promise<number> {
  try {
    const {values} = parseArgs({
      args: [...argv],
      options: {
        spec: {type: 'string'},
        json: {type: 'boolean'},
        help: {type: 'boolean', short: 'h'},
      },
    });
    if (values.help) {
      await print(stdout, help);
      return 0;
    }
    if (!values.spec) throw new ManyHandsError('BAD_OPTION', 'plan: name the spec, --spec FILE.');
    // What the file holds is checked by the planner.
    const counted = planSpecCounted(
      readJson(typedPath(values.spec, 'plan'), values.spec) as TransformerSpec,
    );
    await print(stdout, values.json ? `${JSON.stringify(counted.plan)}\n` : planText(counted));
    return 0;
  } catch (error) {
    const wrongUse =
      error instanceof ManyHandsError ||
      String((error as {code?: unknown}).code).startsWith('ERR_PARSE_ARGS');
    stderr.write(`${messageOf(error)}\nnpm run plan -- --help says how to use it.\n`);
    return wrongUse ? 2 : 1;
  }
}

if (require.main === module) {
  void main(process.argv.slice(2)).then((code) => {
    process.exitCode = code;
  });
}
