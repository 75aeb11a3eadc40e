/**
 * Resolves a layout, given as layer-name patterns, to one rule a layer, and checks it:
 * the sharded output of a column layer must go to a row layer.
 */
import type * as tf from '@tensorflow/tfjs';
import {oneOf, shown} from '../base/errors';
import {refuseOption} from '../base/options';
import type {Graph, LayerCall, Slot} from '../model/graph';
import {activationName} from '../model/tfjsLayers';
import './layerRules';
import {needsWholeRow, LAYOUT_RULES, rulesFor, type LayoutRule, type ShardedLayer} from './rules';

/** Maps layer-name patterns ('*' matches any text) to rules. */
export type Layout = Record<string, LayoutRule>;

/** Rules by layer name; layers without a rule are replicated. */
export type Rules = Record<string, Exclude<LayoutRule, 'replicated'>>;

/** Layers that treat each element independently, so that a sharded input gives a sharded output. */
const ELEMENTWISE = ['ReLU', 'LeakyReLU', 'ELU', 'ThresholdedReLU'];

function isElementwise(layer: tf.layers.Layer): boolean {
  if (layer.getClassName() !== 'Activation') return ELEMENTWISE.includes(layer.getClassName());
  return !needsWholeRow(activationName(layer)!);
}

/** How `rule` shards a layer. Throws BAD_OPTION if the layer's class does not have the rule. */
export function shardedOf(layer: tf.layers.Layer, rule: LayoutRule): ShardedLayer {
  const sharded = rulesFor(layer).get(rule);
  if (!sharded) {
    const has = [...rulesFor(layer).keys()];
    refuseOption(
      `layout gives '${layer.name}' the rule '${rule}', which layers of the class ${layer.getClassName()} do not have: ${has.length > 0 ? `take ${oneOf(has)}, or 'replicated'` : "take 'replicated', or register one with registerLayout in its module"}.`,
    );
  }
  return sharded;
}

const matches = (pattern: string, name: string) =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  ).test(name);

function byPatterns(graph: Graph, layout: Layout): Rules {
  const rules: Rules = {};
  const patternOf = new Map<string, string>();
  for (const [pattern, rule] of Object.entries(layout)) {
    if (!LAYOUT_RULES.includes(rule))
      refuseOption(
        `layout: '${pattern}' must have a rule, ${oneOf(LAYOUT_RULES as string[])}; it is ${shown(rule)}.`,
      );
    const matching = [
      ...new Map(
        graph.calls.filter(({name}) => matches(pattern, name)).map((call) => [call.name, call]),
      ).values(),
    ];
    if (matching.length === 0)
      refuseOption(
        `layout: no layer's name matches '${pattern}'. The layers are ${[...new Set(graph.calls.map(({name}) => name))].join(', ')}.`,
      );
    for (const {name, layer} of matching) {
      const earlier = patternOf.get(name);
      if (earlier !== undefined && layout[earlier] !== rule)
        refuseOption(
          `layout gives '${name}' two rules: '${layout[earlier]}' by '${earlier}', and '${rule}' by '${pattern}'.`,
        );
      patternOf.set(name, pattern);
      if (rule === 'replicated') continue;
      shardedOf(layer, rule);
      rules[name] = rule;
    }
  }
  return rules;
}

/**
 * The call that reads a call's output, through elementwise layers; null if there are several, or if
 * the output is the model's.
 */
function partnerOf(graph: Graph, call: LayerCall): LayerCall | null {
  const [slot] = call.outputs;
  const readers = graph.calls.filter(({inputs}) => inputs.includes(slot));
  if (readers.length !== 1 || graph.outputs.includes(slot)) return null;
  return isElementwise(readers[0].layer) ? partnerOf(graph, readers[0]) : readers[0];
}

/**
 * Shards pairs of Dense layers, attention, embedding tables and convolutions that have at least one
 * unit for each rank; all other layers are replicated.
 */
function byDefault(graph: Graph, size: number): Rules {
  const rules: Rules = {};
  const canBe = ({layer}: LayerCall, rule: LayoutRule) => {
    const sharded = rulesFor(layer).get(rule);
    return sharded !== undefined && !sharded.refuses?.(layer) && sharded.count(layer) >= size;
  };
  for (const call of graph.calls) {
    if (rules[call.name]) continue;
    const alone = (['heads', 'vocabulary', 'filters'] as const).find((rule) => canBe(call, rule));
    if (alone) rules[call.name] = alone;
    const partner = call.layer.getClassName() === 'Dense' ? partnerOf(graph, call) : null;
    const uses = ({layer}: LayerCall) =>
      graph.calls.filter((other) => other.layer === layer).length;
    if (
      !partner ||
      rules[partner.name] ||
      uses(call) > 1 ||
      uses(partner) > 1 ||
      !canBe(call, 'column') ||
      !canBe(partner, 'row')
    )
      continue;
    rules[call.name] = 'column';
    rules[partner.name] = 'row';
  }
  return rules;
}

function checkCounts(graph: Graph, rules: Rules, size: number): void {
  for (const {name, layer} of graph.calls) {
    if (!rules[name]) continue;
    const sharded = shardedOf(layer, rules[name]);
    const why = sharded.refuses?.(layer);
    if (why)
      refuseOption(
        `layout: '${name}' cannot be '${rules[name]}', since ${why}: make it 'replicated'.`,
      );
    const count = sharded.count(layer);
    if (count < size)
      refuseOption(
        `layout: '${name}' has only ${count} ${sharded.what} for ${size} devices, so a device would have none: make it 'replicated', or take at most ${count} devices.`,
      );
  }
}

/**
 * For each slot that is sharded by its last dim, the column layer's call that made the shards, also
 * through elementwise layers. `visit` gets each call, with the maker of its sharded input.
 */
export function shardedSlots(
  graph: Graph,
  rules: Rules,
  visit?: (call: LayerCall, from: LayerCall | undefined) => void,
): Map<Slot, LayerCall> {
  const shards = new Map<Slot, LayerCall>();
  for (const call of graph.calls) {
    const {name, layer, inputs, outputs} = call;
    const from = inputs.map((slot) => shards.get(slot)).find((maker) => maker !== undefined);
    visit?.(call, from);
    const sharded = rules[name] && shardedOf(layer, rules[name]);
    if (sharded && sharded.inputPlacement === 'replicate' && sharded.outputPlacement(0) === 'shard')
      shards.set(outputs[0], call);
    else if (from !== undefined && !sharded) shards.set(outputs[0], from);
  }
  return shards;
}

/** Throws BAD_OPTION if a layer gets a shard but needs the whole, or the reverse. */
function checkFlow(graph: Graph, rules: Rules): void {
  const shards = shardedSlots(graph, rules, ({name, layer}, maker) => {
    const from = maker?.name;
    const rule = rules[name];
    const sharded = rule && shardedOf(layer, rule);
    if (sharded?.inputPlacement === 'shard' && from === undefined)
      refuseOption(
        `layout: '${name}' is '${rule}', which takes a shard of its input, but its input is whole on each device: make the layer before it 'column', or '${name}' 'column' or 'replicated'.`,
      );
    if (
      from !== undefined &&
      sharded?.inputPlacement !== 'shard' &&
      !(isElementwise(layer) && !rule)
    ) {
      const fits = rulesFor(layer).has('row')
        ? `give '${name}' the rule 'row'`
        : `make '${from}' 'replicated'`;
      refuseOption(
        `layout: '${from}' is 'column', so each device has a shard of its output, but '${name}' needs all of it: ${fits}.`,
      );
    }
  });
  const open = graph.outputs.map((slot) => shards.get(slot)).find((maker) => maker !== undefined);
  if (open !== undefined)
    refuseOption(
      `layout: '${open.name}' is 'column' and is the model's output, so no device would have all of it: make it 'replicated'.`,
    );
}

/**
 * The rules of a model's layers on `size` devices, from `layout` or, without one, by default.
 * Throws BAD_OPTION for a layout that cannot work; the message names a rule that can.
 */
export function resolveLayout(graph: Graph, layout: Layout | undefined, size: number): Rules {
  if (
    layout !== undefined &&
    (layout === null || typeof layout !== 'object' || Array.isArray(layout))
  )
    refuseOption(
      `layout must be an object of patterns and rules, such as {'block_*/up': 'column', 'block_*/down': 'row'}; it is ${shown(layout)}.`,
    );
  const rules = layout ? byPatterns(graph, layout) : byDefault(graph, size);
  checkCounts(graph, rules, size);
  checkFlow(graph, rules);
  if (Object.keys(rules).length === 0)
    refuseOption(
      `tensorParallel finds nothing to shard over ${size} devices in this model: it shards pairs of Dense layers, attention heads, embeddings and convolutions. Take another strategy, or give a layout.`,
    );
  return rules;
}
