/**
 * Driving frames: small drawn pictures of a road, labelled with the steering angle, one video for
 * each car.
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

/** The number of cars, the length of their videos, and their roads. */
export interface DrivingOptions {
  cars: number;
  /** Frames (samples) in the video of each car. */
  framesPerCar: number;
  seed: number;
  /** Height of a frame in pixels. @default 48 */
  height?: number;
  /** Width of a frame in pixels. @default 64 */
  width?: number;
  /** The bends of the roads: one value for all cars, or a list with a value for each. @default 'both' */
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
 * Draws the videos: xs [cars * framesPerCar, height, width, 3], bytes with scale 1/255, and ys [cars
 * * framesPerCar, 1], the angle of the front wheels as a share of full lock (25 degrees), from -1
 * (left) to 1 (right). The video of a car depends on the seed, its number and its bends, not on the
 * number of cars. Throws BAD_OPTION for an unknown or invalid option.
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
      const sample = car * frames + frame;
      const road = drive.ahead(frame);
      philoxFill(words, grainKey, 0, frame, 0, 0);
      paintFrame(xs.subarray(sample * size, (sample + 1) * size), height, width, road, look, grain);
      ys[sample] = road.steering;
    }
  }
  return {
    xs: {values: xs, shape: [cars * frames, height, width, 3], scale: 1 / 255},
    ys: {values: ys, shape: [cars * frames, 1]},
    cars: bends.map((bend, car) => ({car, bend, firstFrame: car * frames, frames})),
  };
}

/**
 * The video of one car, xs [framesPerCar, height, width, 3] and ys [framesPerCar, 1], as views
 * without a copy. Throws BAD_OPTION for a car that does not exist.
 */
export function carVideo(data: DrivingFrames, car: number): Samples {
  const video = data.cars[car];
  if (!video)
    throw new ManyHandsError(
      'BAD_OPTION',
      `carVideo: the cars are 0 to ${data.cars.length - 1}, and there is no car ${shown(car)}.`,
    );
  return sampleRange(data, video.firstFrame, video.firstFrame + video.frames);
}

/**
 * The frames as a data module for `train` and `trainParallel`: every worker draws its own. Throws
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
      `drivingFrames: bend lists ${list.length} cars, but there are ${cars}: give a value for each car, or one value for all.`,
    );
  return list;
}
