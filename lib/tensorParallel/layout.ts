/**
 * A layout by patterns of layer names, resolved to a rule a layer, and checked: what a
 * column layer hands on in parts, a row layer must take.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError, oneOf, shown} from '../base/errors';
import type {Graph, LayerCall, Slot} from '../model/graph';
import {activationName} from '../model/tfjsLayers';
import './layerRules';
import {needsWholeRow, LAYOUT_RULES, rulesFor, type LayoutRule, type ShardedLayer} from './rules';

/** Layer-name pattern ('*' stands for any letters) to rule. */
export type Layout = Record<string, LayoutRule>;

/** Rules by layer name; layers that are not in it are whole on every rank. */
export type Rules = Record<string, Exclude<LayoutRule, 'replicated'>>;

/** Layers that work on each element by itself, so that a part goes through them as a part. */
const ELEMENTWISE = ['ReLU', 'LeakyReLU', 'ELU', 'ThresholdedReLU'];

function isElementwise(layer: tf.layers.Layer): boolean {
  if (layer.getClassName() !== 'Activation') return ELEMENTWISE.includes(layer.getClassName());
  return !needsWholeRow(activationName(layer)!);
}

function refuse(message: string): never {
  throw new ManyHandsError('BAD_OPTION', message);
}

/** The rule of a layer as its class has it. */
export function shardedOf(layer: tf.layers.Layer, rule: LayoutRule): ShardedLayer {
  const sharded = rulesFor(layer).get(rule);
  if (!sharded) {
    const has = [...rulesFor(layer).keys()];
    refuse(
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
      refuse(
        `layout: '${pattern}' must have a rule, ${oneOf(LAYOUT_RULES as string[])}; it is ${shown(rule)}.`,
      );
    const matching = [
      ...new Map(
        graph.calls.filter(({name}) => matches(pattern, name)).map((call) => [call.name, call]),
      ).values(),
    ];
    if (matching.length === 0)
      refuse(
        `layout: no layer's name is like '${pattern}'. The layers are ${[...new Set(graph.calls.map(({name}) => name))].join(', ')}.`,
      );
    for (const {name, layer} of matching) {
      const earlier = patternOf.get(name);
      if (earlier !== undefined && layout[earlier] !== rule)
        refuse(
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
 * The one call to which an output goes on, through layers that work element by element; null where
 * there are several.
 */
function partnerOf(graph: Graph, call: LayerCall): LayerCall | null {
  const [slot] = call.outputs;
  const readers = graph.calls.filter(({inputs}) => inputs.includes(slot));
  if (readers.length !== 1 || graph.outputs.includes(slot)) return null;
  return isElementwise(readers[0].layer) ? partnerOf(graph, readers[0]) : readers[0];
}

/**
 * Dense pairs, attention, tables and convolutions are divided, as far as there is one for each
 * rank; the rest is whole.
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
      refuse(`layout: '${name}' cannot be '${rules[name]}', since ${why}: make it 'replicated'.`);
    const count = sharded.count(layer);
    if (count < size)
      refuse(
        `layout: '${name}' has ${count} ${sharded.what} to divide among ${size} devices, and one of them would have none: make it 'replicated', or take at most ${count} devices.`,
      );
  }
}

/**
 * By slot of which each rank has a part, the call that made the parts: a column layer, followed
 * through layers that work element by element. `visit` sees each call with the one whose part it is
 * given.
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

/** Follows what is whole and what is a part from layer to layer. */
function checkFlow(graph: Graph, rules: Rules): void {
  const shards = shardedSlots(graph, rules, ({name, layer}, maker) => {
    const from = maker?.name;
    const rule = rules[name];
    const sharded = rule && shardedOf(layer, rule);
    if (sharded?.inputPlacement === 'shard' && from === undefined)
      refuse(
        `layout: '${name}' is '${rule}', which takes a part of its input, and what comes before it is whole: make the layer before it 'column', or '${name}' 'column' or 'replicated'.`,
      );
    if (
      from !== undefined &&
      sharded?.inputPlacement !== 'shard' &&
      !(isElementwise(layer) && !rule)
    ) {
      const fits = rulesFor(layer).has('row')
        ? `give '${name}' the rule 'row'`
        : `make '${from}' 'replicated'`;
      refuse(
        `layout: '${from}' is 'column', so each device has a part of its output, and '${name}' takes all of it: ${fits}.`,
      );
    }
  });
  const open = graph.outputs.map((slot) => shards.get(slot)).find((maker) => maker !== undefined);
  if (open !== undefined)
    refuse(
      `layout: '${open.name}' is 'column' and ends the model, so no device would have the whole output: make it 'replicated'.`,
    );
}

/**
 * The rules of a model's layers on `size` devices, by `layout` or, without it, by default. Throws
 * BAD_OPTION with the rule that fits.
 */
export function resolveLayout(graph: Graph, layout: Layout | undefined, size: number): Rules {
  if (
    layout !== undefined &&
    (layout === null || typeof layout !== 'object' || Array.isArray(layout))
  )
    refuse(
      `layout must be an object of patterns and rules, such as {'block_*/up': 'column', 'block_*/down': 'row'}; it is ${shown(layout)}.`,
    );
  const rules = layout ? byPatterns(graph, layout) : byDefault(graph, size);
  checkCounts(graph, rules, size);
  checkFlow(graph, rules);
  if (Object.keys(rules).length === 0)
    refuse(
      `tensorParallel finds nothing to divide among ${size} devices in this model: it divides pairs of Dense layers, attention heads, embeddings and convolutions. Take another strategy, or give a layout.`,
    );
  return rules;
}
