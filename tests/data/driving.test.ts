import {describe, expect, it} from 'vitest';
import {carVideo, drivingFrames, drivingModule} from '#lib/data/driving.js';

const HEIGHT = 48;
const WIDTH = 64;
const SIZE = HEIGHT * WIDTH * 3;
const difference = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / a.length;
};

describe('drivingFrames', () => {
  const data = drivingFrames({
    cars: 4,
    framesPerCar: 150,
    seed: 11,
    bend: ['left', 'right', 'both', 'both'],
  });
  const frame = (i: number) => data.xs.values.subarray(i * SIZE, (i + 1) * SIZE);

  it('has a picture and a steering angle a frame', () => {
    expect(data.xs.shape).toEqual([600, HEIGHT, WIDTH, 3]);
    expect(data.ys.shape).toEqual([600, 1]);
    expect(data.ys.values.every((steering) => steering >= -1 && steering <= 1)).toBe(true);
    expect(data.cars[2]).toEqual({car: 2, bend: 'both', firstFrame: 300, frames: 150});
  });
  it('repeats by seed, and a car does not depend on the others', () => {
    const again = drivingFrames({
      cars: 4,
      framesPerCar: 150,
      seed: 11,
      bend: ['left', 'right', 'both', 'both'],
    });
    expect(Buffer.compare(Buffer.from(again.xs.values), Buffer.from(data.xs.values))).toBe(0);
    const two = drivingFrames({cars: 2, framesPerCar: 20, seed: 11, bend: ['left', 'right']});
    expect(
      difference(carVideo(two, 1).xs.values, carVideo(data, 1).xs.values.subarray(0, 20 * SIZE)),
    ).toBe(0);
    const other = drivingFrames({cars: 1, framesPerCar: 1, seed: 12});
    expect(difference(other.xs.values, frame(0))).toBeGreaterThan(3);
  });
  it('keeps a one-sided car on its side, for any seed', () => {
    for (let seed = 0; seed < 30; seed++) {
      const {ys} = drivingFrames({
        cars: 2,
        framesPerCar: 100,
        seed,
        height: 8,
        width: 8,
        bend: ['left', 'right'],
      });
      expect(Math.max(...ys.values.subarray(0, 100))).toBeLessThan(0);
      expect(Math.min(...ys.values.subarray(100))).toBeGreaterThan(0);
    }
  });
  it('meets both sides where bends are both', () => {
    const steering = [...carVideo(data, 2).ys.values];
    expect(Math.min(...steering)).toBeLessThan(-0.1);
    expect(Math.max(...steering)).toBeGreaterThan(0.1);
  });
  it('is a video: one frame is like the next, and less like a later one', () => {
    for (const {firstFrame, frames} of data.cars) {
      let next = 0;
      let later = 0;
      for (let i = firstFrame; i < firstFrame + frames - 40; i++) {
        expect(Math.abs(data.ys.values[i + 1] - data.ys.values[i])).toBeLessThan(0.1);
        next += difference(frame(i), frame(i + 1));
        later += difference(frame(i), frame(i + 40));
      }
      expect(next).toBeLessThan(later);
    }
  });
  it('shows what it labels: the asphalt lies further right in a right bend', () => {
    // In the row a little below the horizon, the mean column of what is grey: red, green and blue
    // near one another.
    const column = (i: number) => {
      const row = frame(i).subarray(24 * WIDTH * 3, 25 * WIDTH * 3);
      let sum = 0;
      let count = 0;
      for (let x = 0; x < WIDTH; x++) {
        const [r, g, b] = row.subarray(3 * x, 3 * x + 3);
        if (Math.max(r, g, b) - Math.min(r, g, b) > 16) continue;
        sum += x;
        count += 1;
      }
      return sum / count;
    };
    const mean = (car: number) =>
      Array.from({length: 150}, (_, i) => column(car * 150 + i)).reduce((a, b) => a + b, 0) / 150;
    expect(mean(1)).toBeGreaterThan(mean(0) + 8);
  });
  it('refuses what cannot be', () => {
    expect(() => drivingFrames({cars: 0, framesPerCar: 1, seed: 1})).toThrow(
      /cars must be a whole number from 1;/,
    );
    expect(() => drivingFrames({cars: 2, framesPerCar: 1, seed: 1, bend: ['left']})).toThrow(
      /lists 1 cars, but there are 2/,
    );
    expect(() => drivingFrames({cars: 1, framesPerCar: 1, seed: 1, bend: 'up' as 'left'})).toThrow(
      /'left', 'right' or 'both'.*"up"/,
    );
    expect(() => drivingFrames({cars: 1, frames: 1, seed: 1} as never)).toThrow(
      /no option 'frames'/,
    );
    expect(() => carVideo(data, 4)).toThrow(/cars are 0 to 3.*no car 4/);
  });
  it('is opened by whoever imports its module', async () => {
    const options = {cars: 1, framesPerCar: 2, seed: 11, bend: 'left' as const};
    const {module, export: name, args} = drivingModule(options);
    const opened = (
      (await import(module)) as Record<
        string,
        (options: unknown) => ReturnType<typeof drivingFrames>
      >
    )[name!](args);
    expect(difference(opened.xs.values, data.xs.values.subarray(0, 2 * SIZE))).toBe(0);
  });
});
