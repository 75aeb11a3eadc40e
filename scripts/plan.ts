/**
 * `npm run plan -- --spec spec.json [--json]`, `npx many-hands plan`: plans a transformer's
 * training from a spec, without a model or an engine.
 */
import {planSpecCounted} from '../lib/specPlanner/planSpec';
import type {TransformerSpec} from '../lib/specPlanner/spec';
import {asTyped, exitWith, print, runCommand, typedPath, wrongUse, type Streams} from './command';
import {readJson} from './plan/readJson';
import {planText} from './plan/text';

const help = `Plans the training of a transformer on a machine: meshes, ZeRO, micro-batches, recompute; best first. Nothing is run.

  ${asTyped('plan', '--spec SPEC.json [--json]')}

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
export function main(argv: readonly string[], streams?: Streams): Promise<number> {
  const options = {spec: {type: 'string'}, json: {type: 'boolean'}} as const;
  return runCommand(
    {
      name: 'plan',
      help,
      options,
      run: async ({values: {spec, json}}, {stdout}) => {
        if (!spec) throw wrongUse('plan: name the spec, --spec FILE.');
        // What the file holds is checked by the planner.
        const counted = planSpecCounted(readJson(typedPath(spec), spec) as TransformerSpec);
        await print(stdout, json ? `${JSON.stringify(counted.plan)}\n` : planText(counted));
        return 0;
      },
    },
    argv,
    streams,
  );
}

if (require.main === module) exitWith(main(process.argv.slice(2)));
