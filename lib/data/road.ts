/**
 * The world of the driving frames: one car's winding road, how the car sways in its
 * lane, and how its driver steers. Lengths in metres; x points right, z ahead; a curvature
 * (1/metre) or steering angle above 0 turns right.
 */
import {Random} from '../base/random';

/** Which bends a car meets. */
export type Bend = 'left' | 'right' | 'both';
export const BENDS: readonly Bend[] = ['left', 'right', 'both'];

/** The tightest bend has a radius of 15 m. */
const TIGHTEST = 1 / 15;
/**
 * Where all bends go one way, none is straighter than this part of the tightest: its frames never
 * ask for the other side.
 */
const STRAIGHTEST_SHARE = 0.3;
/** 12 m/s, ten frames a second. */
const METRES_A_FRAME = 1.2;
const SWAY = 0.2;
const WHEELBASE = 2.7;
const LOOK_AHEAD = 9;
/** The front wheels' full lock, 25 degrees. */
const FULL_LOCK = (25 * Math.PI) / 180;

interface Wave {
  share: number;
  length: number;
  phase: number;
}

/**
 * The road ahead at one moment: `x[i]` is where the middle of the car's lane lies at z = i metres,
 * `slope[i]` its direction dx/dz.
 */
export interface RoadAhead {
  x: Float64Array;
  slope: Float64Array;
  /** Metres driven, for what is painted on the ground. */
  driven: number;
  /** The car's direction in the world, radians, for what stands at the horizon. */
  heading: number;
  /**
   * The driver's steering: the front wheels' angle as a share of full lock (25 degrees), -1 (left)
   * to 1 (right).
   */
  steering: number;
}

/** How far ahead the road is known. */
export const SIGHT = 70;

/** One car's drive; frames must be asked for in order, since the heading adds up. */
export class Drive {
  private readonly bends: Wave[];
  private readonly swaying: Wave[];
  private heading = 0;

  constructor(
    random: Random,
    private readonly bend: Bend,
  ) {
    this.bends = waves(random, 3, 45, 160);
    this.swaying = waves(random, 2, 40, 90);
  }

  /** The curvature of the road `s` metres from the drive's start. */
  private curvature(s: number): number {
    const wave = value(this.bends, s);
    if (this.bend === 'both') return TIGHTEST * wave;
    const tightness = STRAIGHTEST_SHARE + (1 - STRAIGHTEST_SHARE) * (0.5 + 0.5 * wave);
    return (this.bend === 'left' ? -1 : 1) * TIGHTEST * tightness;
  }

  /** What lies ahead at frame `frame`. */
  ahead(frame: number): RoadAhead {
    const driven = frame * METRES_A_FRAME;
    const x = new Float64Array(SIGHT + 1);
    const slope = new Float64Array(SIGHT + 1);
    x[0] = -SWAY * value(this.swaying, driven);
    slope[0] = -SWAY * (value(this.swaying, driven + 0.5) - value(this.swaying, driven - 0.5));
    for (let z = 0; z < SIGHT; z++) {
      slope[z + 1] = slope[z] + this.curvature(driven + z + 0.5);
      x[z + 1] = x[z] + (slope[z] + slope[z + 1]) / 2;
    }
    if (frame > 0) this.heading += this.curvature(driven) * METRES_A_FRAME;
    return {x, slope, driven, heading: this.heading, steering: pursue(x[LOOK_AHEAD])};
  }
}

/**
 * Pure pursuit (Coulter 1992): the wheel angle whose circle passes through the lane's middle at the
 * look-ahead distance.
 */
function pursue(x: number): number {
  const curvature = (2 * x) / (x * x + LOOK_AHEAD * LOOK_AHEAD);
  return Math.max(-1, Math.min(1, Math.atan(WHEELBASE * curvature) / FULL_LOCK));
}

function waves(random: Random, count: number, shortest: number, longest: number): Wave[] {
  const drawn = Array.from({length: count}, () => ({
    share: random.uniform(0.5, 1),
    length: random.uniform(shortest, longest),
    phase: random.uniform(0, 2 * Math.PI),
  }));
  const total = drawn.reduce((sum, wave) => sum + wave.share, 0);
  return drawn.map((wave) => ({...wave, share: wave.share / total}));
}

/** A smooth value in -1..1. */
function value(list: readonly Wave[], s: number): number {
  let sum = 0;
  for (const {share, length, phase} of list)
    sum += share * Math.sin((2 * Math.PI * s) / length + phase);
  return sum;
}
