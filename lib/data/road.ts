/**
 * The world of the driving frames: the winding road of a car, how the car sways in its lane, and how
 * its driver steers. Lengths are in metres; x points right and z ahead; a positive curvature
 * (1/metre) or steering angle turns right.
 */
import type {Random} from '../base/random';

/** The bends of a car's road. */
export type Bend = 'left' | 'right' | 'both';
export const BENDS: readonly Bend[] = ['left', 'right', 'both'];

/** The tightest bend has a radius of 15 m. */
const TIGHTEST = 1 / 15;
/**
 * The smallest curvature of a road with bends to one side, as a share of the tightest, so that its
 * frames never need steering to the other side.
 */
const STRAIGHTEST_SHARE = 0.3;
/** 12 m/s at ten frames per second. */
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
 * The road ahead at one moment: `x[i]` is the position of the middle of the car's lane at z = i
 * metres, and `slope[i]` its direction dx/dz.
 */
export interface RoadAhead {
  x: Float64Array;
  slope: Float64Array;
  /** Metres driven, for the markings on the ground. */
  driven: number;
  /** The car's direction in the world in radians, for the hills at the horizon. */
  heading: number;
  /**
   * The angle of the front wheels as a share of full lock (25 degrees), from -1 (left) to 1 (right).
   */
  steering: number;
}

/** How many metres of the road ahead are known. */
export const SIGHT = 70;

/** The drive of one car; frames must be requested in order, because the heading accumulates. */
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

  /** The road ahead at a frame. */
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
 * Pure pursuit (Coulter 1992): the wheel angle whose circle meets the middle of the lane at the
 * look-ahead distance.
 */
function pursue(x: number): number {
  const curvature = (2 * x) / (x * x + LOOK_AHEAD * LOOK_AHEAD);
  return Math.max(-1, Math.min(1, Math.atan(WHEELBASE * curvature) / FULL_LOCK));
}

function waves(random: Random, count: number, shortest: number, longest: number): Wave[] {
  const list = Array.from({length: count}, () => ({
    share: random.uniform(0.5, 1),
    length: random.uniform(shortest, longest),
    phase: random.uniform(0, 2 * Math.PI),
  }));
  const total = list.reduce((sum, wave) => sum + wave.share, 0);
  return list.map((wave) => ({...wave, share: wave.share / total}));
}

/** The sum of waves at position `s`, from -1 to 1. */
function value(list: readonly Wave[], s: number): number {
  let sum = 0;
  for (const {share, length, phase} of list)
    sum += share * Math.sin((2 * Math.PI * s) / length + phase);
  return sum;
}
