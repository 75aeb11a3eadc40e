/**
 * Draws graphs: chains, skips, merges, shared layers, nested models, states, several inputs and
 * outputs.
 */
import type {Draw} from './draw';
import {drawLayer} from './layers';
import {anyOutput, drawObjective} from './objective';
import type {GraphSpec, InputSpec, LayerSpec, NodeSpec, ObjectiveSpec, Ref} from './program';
import {outputShapes} from './shapes';

/** A value of the graph while it is drawn. */
interface Drawn {
  ref: Ref;
  shape: number[];
  tokens?: number;
  used: boolean;
}

const MOST_ELEMENTS = 90;
const sizeOf = (shape: number[]) => shape.reduce((product, dim) => product * dim, 1);

export class GraphDrawing {
  readonly inputs: InputSpec[] = [];
  readonly nodes: NodeSpec[] = [];
  private readonly values: Drawn[] = [];
  /** The shapes of each node's inputs, for layers that are applied again. */
  private readonly inputShapes = new Map<string, number[][]>();

  /** `prefix` keeps the names of nested models apart; `depth` counts them. */
  constructor(
    private readonly draw: Draw,
    private readonly prefix: string,
    private readonly depth: number,
  ) {}

  addInput(input: Omit<InputSpec, 'id'>): void {
    const id = `${this.prefix}x${this.inputs.length}`;
    this.inputs.push({id, ...input});
    this.values.push({ref: id, shape: input.shape, tokens: input.tokens, used: false});
  }

  drawInput(): void {
    const {draw} = this;
    const dim = (high = 5) => draw.integer(2, high);
    const kinds = {
      vector: () => ({shape: [dim()]}),
      sequence: () => ({shape: [dim(4), dim(3)], ...(draw.chance(0.2) ? {zeros: true} : {})}),
      tokens: () => ({
        shape: [dim(4)],
        tokens: dim(5),
        ...(draw.chance(0.4) ? ({dtype: 'int32'} as const) : {}),
      }),
      image: () => ({shape: [dim(4), dim(4), draw.integer(1, 2)]}),
      volume: () => ({shape: [2, dim(3), dim(3), draw.integer(1, 2)]}),
    };
    const kind = draw.weighted({vector: 4, sequence: 3, tokens: 1.5, image: 3, volume: 1});
    this.addInput(kinds[kind]());
  }

  /** Adds a node if its layer takes these inputs; the last output is the new current value. */
  private add(what: NodeSpec['what'], inputs: Drawn[], shapes: number[][] | null): boolean {
    if (shapes === null || shapes.some((shape) => sizeOf(shape) > MOST_ELEMENTS)) return false;
    const id = `${this.prefix}n${this.nodes.length + 1}`;
    const node: NodeSpec = {id, what, inputs: inputs.map(({ref}) => ref)};
    if (!('again' in what) && this.draw.chance(0.06))
      node.frozen = this.draw.pick(['before', 'before', 'after']);
    this.nodes.push(node);
    this.inputShapes.set(
      id,
      inputs.map(({shape}) => shape),
    );
    for (const input of inputs) input.used = true;
    this.values.push(
      ...shapes.map((shape, i) => ({
        ref: i === 0 ? id : `${id}.${i}`,
        shape,
        // The states of a recurrent layer need not be used.
        used: i > 0,
      })),
    );
    return true;
  }

  private addLayer(layer: LayerSpec, inputs: Drawn[]): boolean {
    const shapes = inputs.map(({shape}) => shape);
    return this.add({layer}, inputs, outputShapes(layer, shapes));
  }

  private current(): Drawn {
    const ends = this.values.filter(({used}) => !used);
    const list = ends.length > 0 && this.draw.chance(0.85) ? ends : this.values;
    return list[
      list.length - 1 - (this.draw.chance(0.75) ? 0 : this.draw.integer(0, list.length - 1))
    ];
  }

  private layer(value: Drawn): boolean {
    if (value.tokens) return this.embed(value);
    const layer = drawLayer(this.draw, value.shape);
    return layer !== null && this.addLayer(layer, [value]);
  }

  private embed(value: Drawn): boolean {
    const {draw} = this;
    if (draw.chance(0.1) && this.inputs.length > 0)
      return this.addLayer(
        {
          kind: 'categoryEncoding',
          options: {numTokens: value.tokens!, outputMode: draw.pick(['multiHot', 'count'])},
        },
        [value],
      );
    const options = {
      inputDim: value.tokens!,
      outputDim: draw.integer(2, 3),
      ...(draw.chance(0.35) ? {maskZero: true} : {}),
      ...(draw.chance(0.1) ? {embeddingsRegularizer: {js: 'tf.regularizers.l2({l2: 0.02})'}} : {}),
    };
    return this.addLayer({kind: 'embedding', options}, [value]);
  }

  /** Merges the current value with an earlier value that has the same shape. */
  private merge(value: Drawn): boolean {
    const {draw} = this;
    const alike = this.values.filter(
      (other) => !other.tokens && String(other.shape) === String(value.shape),
    );
    if (value.tokens || alike.length === 0) return false;
    const others = draw.several(alike, draw.integer(1, Math.min(2, alike.length)));
    const inputs = others.includes(value) ? others : [value, ...others];
    if (inputs.length === 1) inputs.push(value);
    const kind = draw.weighted({
      ...{add: 4, concatenate: 3, average: 1, multiply: 2, maximum: 0.7, minimum: 0.7, dot: 0.7},
    });
    if (kind === 'dot')
      return this.addLayer(
        {kind, options: {axes: -1, ...(draw.chance(0.3) ? {normalize: true} : {})}},
        inputs.slice(0, 2),
      );
    const options: LayerSpec['options'] =
      kind === 'concatenate' && value.shape.length > 1 && draw.chance(0.4) ? {axis: 1} : {};
    return this.addLayer({kind, options}, inputs);
  }

  /** A layer, and its sum with its input. */
  private skip(value: Drawn): boolean {
    if (value.tokens) return false;
    const units = value.shape[value.shape.length - 1];
    const layer = {kind: 'dense', options: {units, activation: 'tanh'}};
    if (!this.addLayer(layer, [value])) return false;
    return this.addLayer({kind: 'add', options: {}}, [value, this.values[this.values.length - 1]]);
  }

  /** Applies an earlier layer or nested model once more. */
  private again(): boolean {
    const {draw} = this;
    const owners = this.nodes.filter(({what, states}) => !('again' in what) && !states);
    if (owners.length === 0) return false;
    const owner = draw.pick(owners);
    const inputs = this.inputShapes.get(owner.id)!.map((shape) => {
      const alike = this.values.filter(
        (value) => !value.tokens && String(value.shape) === String(shape),
      );
      return alike.length > 0 ? draw.pick(alike) : null;
    });
    if (inputs.some((input) => input === null)) return false;
    const {what} = owner;
    const shapes =
      'layer' in what
        ? outputShapes(what.layer, this.inputShapes.get(owner.id)!)
        : [this.values.find(({ref}) => ref === owner.id)!.shape];
    return this.add({again: owner.id}, inputs as Drawn[], shapes);
  }

  private nested(value: Drawn): boolean {
    if (value.tokens || this.depth > 1) return false;
    const inner = new GraphDrawing(
      this.draw,
      `${this.prefix}m${this.nodes.length + 1}`,
      this.depth + 1,
    );
    inner.addInput({shape: value.shape});
    const chain = this.draw.chance(0.5);
    inner.grow(this.draw.integer(1, 3), chain);
    if (inner.nodes.length === 0) return false;
    const last = inner.values[inner.values.length - 1];
    const graph = inner.finish([last.ref], chain);
    return this.add({nested: graph}, [value], [last.shape]);
  }

  /** An encoder whose states begin a decoder. */
  private encoderDecoder(value: Drawn): boolean {
    if (value.tokens || value.shape.length !== 2) return false;
    const kind = this.draw.pick(['lstm', 'gru', 'simpleRNN']);
    const options = {units: 2, returnState: true};
    if (!this.addLayer({kind, options}, [value])) return false;
    const encoder = this.nodes[this.nodes.length - 1].id;
    const layer = {
      kind,
      options: {units: 2, ...(this.draw.chance(0.5) ? {returnSequences: true} : {})},
    };
    if (!this.addLayer(layer, [value])) return false;
    const decoder = this.nodes[this.nodes.length - 1];
    decoder.states = kind === 'lstm' ? [`${encoder}.1`, `${encoder}.2`] : [`${encoder}.1`];
    const output = this.values.find(({ref}) => ref === encoder)!;
    output.used = true;
    return true;
  }

  /** Adds about `count` nodes. */
  grow(count: number, chain: boolean): void {
    for (let tries = 0; this.nodes.length < count && tries < 8 * count; tries++) {
      if (chain) {
        const value = this.values[this.values.length - 1];
        if (this.draw.chance(0.1)) this.nested(value);
        else this.layer(value);
        continue;
      }
      const value = this.current();
      const kind = this.draw.weighted({
        ...{layer: 12, merge: 3, skip: 1.5, again: 1.5, nested: 1, encoderDecoder: 0.3},
      });
      if (kind === 'again') this.again();
      else this[kind](value);
    }
  }

  /** Adds the layers between the values and one loss, and returns its output. */
  head(): {ref: Ref; objective: ObjectiveSpec} {
    const {draw} = this;
    for (const value of this.values.filter(({tokens, used}) => tokens && !used)) this.embed(value);
    const ends = this.values.filter(({used}) => !used);
    const last = this.values[this.values.length - 1];
    const value = ends.length > 1 ? this.joined(ends) : last;
    if (draw.chance(0.05)) return {ref: value.ref, objective: anyOutput()};
    const {objective, activation} = drawObjective(draw);
    const perPosition = value.shape.length === 2 && draw.chance(0.5);
    const from = perPosition || value.shape.length === 1 ? value : this.flat(value);
    const units = draw.integer(activation === 'softmax' ? 2 : 1, 3);
    const separate = draw.chance(0.2);
    const options = {units, ...(separate ? {} : {activation})};
    this.addLayer({kind: 'dense', options}, [from]);
    if (separate)
      this.addLayer({kind: 'activation', options: {activation}}, [
        this.values[this.values.length - 1],
      ]);
    return {ref: this.values[this.values.length - 1].ref, objective};
  }

  private flat(value: Drawn): Drawn {
    if (value.shape.length > 1) this.addLayer({kind: 'flatten', options: {}}, [value]);
    return value.shape.length > 1 ? this.values[this.values.length - 1] : value;
  }

  private joined(values: Drawn[]): Drawn {
    const flat = values.map((value) => this.flat(value));
    this.addLayer({kind: 'concatenate', options: {}}, flat);
    return this.values[this.values.length - 1];
  }

  /** Any value that is already there, for a second output. */
  anyValue(): Ref {
    const values = this.values.filter(({tokens}) => !tokens);
    return this.draw.pick(values).ref;
  }

  finish(outputs: Ref[], sequential: boolean): GraphSpec {
    return {inputs: this.inputs, nodes: this.nodes, outputs, sequential};
  }
}
