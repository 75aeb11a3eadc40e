/**
 * Paints the view of a car's camera in perspective: sky, hills, ground, and a road with its
 * markings.
 */
import type {Random} from '../base/random';
import {SIGHT, type RoadAhead} from './road';

type Colour = readonly [number, number, number];

/** The look of one car's video: its camera, its landscape and its light. */
export interface Look {
  cameraHeight: number;
  /** The row of the horizon, as a share of the height from the top. */
  horizon: number;
  zenith: Colour;
  haze: Colour;
  hills: Colour;
  ground: Colour;
  asphalt: Colour;
  middleLine: Colour;
  light: number;
  noise: number;
  hillPhases: readonly number[];
}

const COUNTRIES: readonly {zenith: Colour; haze: Colour; hills: Colour; ground: Colour}[] = [
  {zenith: [92, 150, 222], haze: [196, 220, 240], hills: [88, 122, 112], ground: [82, 134, 62]},
  {zenith: [112, 158, 214], haze: [232, 218, 192], hills: [150, 120, 92], ground: [176, 148, 92]},
  {zenith: [140, 152, 168], haze: [206, 210, 214], hills: [112, 124, 128], ground: [104, 126, 78]},
  {zenith: [236, 150, 98], haze: [250, 208, 150], hills: [110, 84, 92], ground: [112, 108, 60]},
];
const WHITE: Colour = [236, 236, 228];
const YELLOW: Colour = [232, 190, 62];

// The car drives in the right lane of two. Positions are in metres from the middle of its lane.
const LANE = 3.5;
const LEFT_EDGE = -1.5 * LANE;
const MIDDLE = -0.5 * LANE;
const RIGHT_EDGE = 0.5 * LANE;
const LINE = 0.16;
const SHOULDER = 0.35;
const DASH = 6;
const STRIPE = 9;
/** The focal length as a share of the width, for a camera that sees 70 degrees across. */
const FOCAL_SHARE = 0.5 / Math.tan((35 * Math.PI) / 180);
/** Samples per row of pixels; within a row, partial coverage of a pixel is computed exactly. */
const SUB_ROWS = 2;

/** Draws a random look. */
export function drawLook(random: Random): Look {
  const country = COUNTRIES[random.integer(COUNTRIES.length)];
  const grey = random.uniform(70, 105);
  return {
    ...country,
    cameraHeight: random.uniform(1.25, 1.6),
    horizon: random.uniform(0.36, 0.42),
    asphalt: [grey, grey, grey * 1.03],
    middleLine: random.uniform() < 0.5 ? WHITE : YELLOW,
    light: random.uniform(0.8, 1.08),
    noise: random.uniform(4, 12),
    hillPhases: [random.uniform(0, 6.3), random.uniform(0, 6.3), random.uniform(0, 6.3)],
  };
}

/**
 * Paints a frame, [height, width, 3] bytes, into `out`; `grain` has a random byte for each pixel.
 */
export function paintFrame(
  out: Uint8Array,
  height: number,
  width: number,
  road: RoadAhead,
  look: Look,
  grain: Uint8Array,
): void {
  const focal = FOCAL_SHARE * width;
  const horizon = look.horizon * height;
  const skyline = hillRows(width, focal, horizon, height, road.heading, look);
  const row = new Float64Array(width * 3);
  for (let y = 0; y < height; y++) {
    row.fill(0);
    for (let sub = 0; sub < SUB_ROWS; sub++) {
      const rowY = y + (sub + 0.5) / SUB_ROWS;
      if (rowY <= horizon) paintSky(row, rowY, horizon, skyline, look);
      else paintGround(row, rowY - horizon, focal, width, road, look);
    }
    for (let x = 0, i = y * width * 3; x < width; x++) {
      const noise = (grain[y * width + x] / 127.5 - 1) * look.noise;
      // A Uint8Array wraps around, so the value is clamped first.
      for (let c = 0; c < 3; c++) {
        const value = (row[x * 3 + c] / SUB_ROWS) * look.light + noise;
        out[i++] = clamp(value, 255);
      }
    }
  }
}

/** For each column, the row at which the hills meet the sky; the hills move as the car turns. */
function hillRows(
  width: number,
  focal: number,
  horizon: number,
  height: number,
  heading: number,
  look: Look,
): Float64Array {
  const rows = new Float64Array(width);
  const [a, b, c] = look.hillPhases;
  for (let x = 0; x < width; x++) {
    const angle = heading + Math.atan((x + 0.5 - width / 2) / focal);
    const hill =
      0.5 +
      0.25 * Math.sin(3 * angle + a) +
      0.15 * Math.sin(7 * angle + b) +
      0.1 * Math.sin(17 * angle + c);
    rows[x] = horizon - 0.16 * height * hill;
  }
  return rows;
}

function paintSky(
  row: Float64Array,
  y: number,
  horizon: number,
  skyline: Float64Array,
  look: Look,
): void {
  const low = y / horizon;
  for (let x = 0; x < skyline.length; x++) {
    const hill = clamp(y - skyline[x] + 0.5, 1);
    for (let c = 0; c < 3; c++) {
      const sky = mix(look.zenith[c], look.haze[c], low);
      row[x * 3 + c] += mix(sky, mix(look.hills[c], look.haze[c], 0.35), hill);
    }
  }
}

function paintGround(
  row: Float64Array,
  below: number,
  focal: number,
  width: number,
  road: RoadAhead,
  look: Look,
): void {
  const z = (focal * look.cameraHeight) / below;
  const near = Math.min(Math.floor(z), SIGHT - 1);
  const part = z - near;
  const beyond = z > SIGHT;
  const middle = mix(road.x[near], road.x[near + 1], part);
  const slope = mix(road.slope[near], road.slope[near + 1], part);
  // A row of pixels crosses an oblique road at an angle, over more than its width.
  const aslant = Math.sqrt(1 + slope * slope);
  const pixel = z / focal / aslant;
  const along = road.driven + z;
  const dash = along % (2 * DASH) < DASH ? 1 : 0;
  const stripe = along % (2 * STRIPE) < STRIPE ? 1.07 : 0.93;
  const fog = Math.min(0.6, z / 110);
  for (let x = 0; x < width; x++) {
    const across = (((x + 0.5 - width / 2) * z) / focal - middle) / aslant;
    const onRoad = beyond ? 0 : band(across, LEFT_EDGE - SHOULDER, RIGHT_EDGE + SHOULDER, pixel);
    const edge = beyond
      ? 0
      : band(across, LEFT_EDGE - LINE / 2, LEFT_EDGE + LINE / 2, pixel) +
        band(across, RIGHT_EDGE - LINE / 2, RIGHT_EDGE + LINE / 2, pixel);
    const line = beyond ? 0 : dash * band(across, MIDDLE - LINE / 2, MIDDLE + LINE / 2, pixel);
    for (let c = 0; c < 3; c++) {
      let colour = mix(look.ground[c] * stripe, look.asphalt[c], onRoad);
      colour = mix(colour, WHITE[c], Math.min(1, edge));
      colour = mix(colour, look.middleLine[c], line);
      row[x * 3 + c] += mix(colour, look.haze[c], fog);
    }
  }
}

/** The share of a pixel of width `pixel` around `x` that lies between `low` and `high`. */
function band(x: number, low: number, high: number, pixel: number): number {
  return clamp((x - low) / pixel + 0.5, 1) - clamp((x - high) / pixel + 0.5, 1);
}

/** The value limited to 0..most. */
function clamp(value: number, most: number): number {
  if (value < 0) return 0;
  return Math.min(value, most);
}

function mix(a: number, b: number, share: number): number {
  return a + (b - a) * share;
}
