/**
 * Driving frames: small drawn pictures of a road with the steering angle as label, one
 * video a car.
 */
import {pathToFileURL} from 'node:url';
import type {DataModule} from '../base/arrays';
import {ManyHandsError, shown} from '../base/errors';
import {
  anything,
  either,
  listOf,
  nameFrom,
  readOptions,
  refuseOption,
  wholeNumber,
  type OptionTable,
} from '../base/options';
import {philoxFill} from '../base/philox';
import {Random, streamKey} from '../base/random';
import {drawLook, paintFrame} from './paintFrame';
import {BENDS, Drive, type Bend} from './road';
import {sampleRange, type Samples} from './samples';

/** How many cars drive, how long, and where. */
export interface DrivingOptions {
  cars: number;
  /** Frames, that is samples, of each car's video. */
  framesPerCar: number;
  seed: number;
  /** Pixels; 48 without it. */
  height?: number;
  /** Pixels; 64 without it. */
  width?: number;
  /** Which bends the cars meet: one for all, or a list with one a car. 'both' without it. */
  bend?: Bend | readonly Bend[];
}

const oneBend = nameFrom(BENDS);
const OPTIONS: OptionTable<DrivingOptions> = {
  cars: wholeNumber(1),
  framesPerCar: wholeNumber(1),
  // `Random` checks it.
  seed: anything,
  'height?': wholeNumber(8),
  'width?': wholeNumber(8),
  'bend?': either(oneBend, listOf('these, one for each car', oneBend)),
};

/** The frames of all cars, the videos one after another. */
export interface DrivingFrames extends Samples {
  cars: {car: number; bend: Bend; firstFrame: number; frames: number}[];
}

/**
 * Draws the videos: xs [cars * framesPerCar, height, width, 3] bytes with scale 1/255, ys [cars *
 * framesPerCar, 1], the steering: the front wheels' angle as a share of full lock (25 degrees), -1
 * (left) to 1 (right). A car's video depends on the seed, its number and its bends, not on how many
 * cars there are. Throws BAD_OPTION.
 */
export function drivingFrames(options: DrivingOptions): DrivingFrames {
  const {
    cars,
    framesPerCar: frames,
    height = 48,
    width = 64,
    bend = 'both',
  } = readOptions('drivingFrames', options, OPTIONS);
  const bends = bendsOf(bend, cars);
  const size = height * width * 3;
  const xs = new Uint8Array(cars * frames * size);
  const ys = new Float32Array(cars * frames);
  for (let car = 0; car < cars; car++) {
    const drive = new Drive(new Random(options.seed, 'road', car), bends[car]);
    const look = drawLook(new Random(options.seed, 'look', car));
    const grainKey = streamKey(options.seed, 'grain', car);
    const words = new Uint32Array(Math.ceil((height * width) / 4));
    const grain = new Uint8Array(words.buffer);
    for (let frame = 0; frame < frames; frame++) {
      const at = car * frames + frame;
      const road = drive.ahead(frame);
      philoxFill(words, grainKey, 0, frame, 0, 0);
      paintFrame(xs.subarray(at * size, (at + 1) * size), height, width, road, look, grain);
      ys[at] = road.steering;
    }
  }
  return {
    xs: {values: xs, shape: [cars * frames, height, width, 3], scale: 1 / 255},
    ys: {values: ys, shape: [cars * frames, 1]},
    cars: bends.map((bend, car) => ({car, bend, firstFrame: car * frames, frames})),
  };
}

/**
 * The video of one car, xs [framesPerCar, height, width, 3] and ys [framesPerCar, 1]: views,
 * nothing is copied. Throws BAD_OPTION.
 */
export function carVideo(data: DrivingFrames, car: number): Samples {
  const found = data.cars[car];
  if (!found)
    throw new ManyHandsError(
      'BAD_OPTION',
      `There are cars 0 to ${data.cars.length - 1}, and this asks for car ${shown(car)}.`,
    );
  return sampleRange(data, found.firstFrame, found.firstFrame + found.frames);
}

/**
 * The description of such frames, for `train`'s `data`: every worker draws them for itself. Throws
 * BAD_OPTION.
 */
export function drivingModule(options: DrivingOptions): DataModule {
  readOptions('drivingModule', options, OPTIONS);
  return {module: pathToFileURL(__filename).href, export: 'drivingFrames', args: options};
}

function bendsOf(bend: Bend | readonly Bend[], cars: number): Bend[] {
  const list = typeof bend === 'string' ? new Array<Bend>(cars).fill(bend) : [...bend];
  if (list.length !== cars)
    refuseOption(
      `drivingFrames: bend lists ${list.length} cars and there are ${cars}: give one for each, or a single one for all.`,
    );
  return list;
}
