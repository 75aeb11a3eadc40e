import {join} from 'node:path';
import {afterEach, beforeAll, describe, expect, it} from 'vitest';
import {closeWorkers, giveBack, takeWorker} from '#lib/workers/pool.js';
import {attachRegion, createRegion} from '#lib/workers/sharedRegion.js';
import {STOP_DEADLINE_MS, WorkerProcess, type JobHandlers} from '#lib/workers/workerProcess.js';
import {childrenOf, sharedNames} from '../helpers/processes';

const entry = (name: string) => join(__dirname, 'fixtures', `${name}.cjs`);
const options = {entry: entry('worker'), device: 'cpu', threads: 1};
const started: WorkerProcess[] = [];
const start = (name = 'worker') => {
  const worker = new WorkerProcess({...options, entry: entry(name)});
  started.push(worker);
  return worker;
};
const run = (
  worker: WorkerProcess,
  name: string,
  job: unknown = null,
  handlers: JobHandlers = {},
) => worker.run(name, job, handlers);

// Other files leave warm workers.
beforeAll(closeWorkers);
afterEach(async () => {
  await closeWorkers();
  await Promise.all(started.splice(0).map((worker) => worker.stop()));
  expect(childrenOf(process.pid)).toEqual([]);
  expect(sharedNames()).toEqual([]);
});

describe('a worker process', () => {
  it('goes from starting to ready, running, ready, stopped', async () => {
    const worker = start();
    expect(worker.state).toBe('starting');
    await worker.ready;
    expect(worker.state).toBe('ready');
    const result = run(worker, 'echo', {values: new Float32Array([1, 2])});
    await worker.ready;
    expect(worker.state).toBe('running');
    expect(await result).toEqual({values: new Float32Array([1, 2])});
    expect(worker.state).toBe('ready');
    await worker.stop();
    expect(worker.state).toBe('stopped');
  });

  it('that fails at its start says so at once, with its last words', async () => {
    await expect(start('broken').ready).rejects.toThrow(
      /worker on cpu \(process \d+\) ended with exit code 9 while it started\. Its last words:\nthe addon is not where it should be/,
    );
  });

  it("hands a job's error over, and takes the next job", async () => {
    const worker = start();
    await expect(run(worker, 'fail')).rejects.toThrow(
      'the worker on cpu failed: RangeError: 7 is too many',
    );
    expect(await run(worker, 'echo', 5)).toBe(5);
  });

  it('that ends or is killed during its work is named with how', async () => {
    await expect(run(start(), 'leave')).rejects.toThrow(/ended with exit code 3 during its work/);
    await expect(run(start(), 'die')).rejects.toThrow(
      /was ended by SIGKILL during its work\. If nobody killed it, the machine ran out of memory/,
    );
  });

  it('that says nothing for longer than allowed is ended', async () => {
    const worker = start();
    await expect(run(worker, 'hang', null, {timeoutMs: 300})).rejects.toThrow(
      /said nothing for 0\.\d s and was ended; timeoutMs allows 300 ms/,
    );
    expect(worker.state).toBe('failed');
  });

  it('stops at a signal, and one that does not hear it is killed after its deadline', async () => {
    const worker = start();
    const controller = new AbortController();
    const waiting = run(worker, 'wait', null, {signal: controller.signal});
    await worker.ready;
    controller.abort();
    await expect(waiting).rejects.toThrow(/interrupted/);
    expect(await run(worker, 'echo', 1)).toBe(1);
    const second = new AbortController();
    const hanging = run(worker, 'hang', null, {signal: second.signal});
    setTimeout(() => second.abort(), 50);
    await expect(hanging).rejects.toThrow(/SIGKILL/);
  });

  it('is not met by the deadline of an interrupt before', async () => {
    const worker = start();
    const controller = new AbortController();
    const waiting = run(worker, 'wait', null, {signal: controller.signal});
    await worker.ready;
    controller.abort();
    await expect(waiting).rejects.toThrow(/interrupted/);
    expect(await run(worker, 'sleep', STOP_DEADLINE_MS + 500)).toBe('slept');
  });

  it('is not silent while its caller answers', async () => {
    const slow = async (value: unknown) =>
      new Promise((resolve) => setTimeout(() => resolve(value), 600));
    expect(await run(start(), 'ask', 'late', {timeoutMs: 200, onAsk: slow})).toBe('late!');
  });

  it("is heard: its lines without the engine's greetings, its questions", async () => {
    const lines: string[] = [];
    const worker = start();
    await run(worker, 'print', null, {
      onOutput: (stream, line) => lines.push(`${stream}: ${line}`),
    });
    await expect.poll(() => lines.sort()).toEqual(['stderr: to stderr', 'stdout: to stdout']);
    expect(await run(worker, 'ask', 'well', {onAsk: async (value) => `${value} done`})).toBe(
      'well done!',
    );
  });
});

describe('the pool', () => {
  it('keeps a worker warm for the next job that fits', async () => {
    const first = await takeWorker(options);
    await giveBack(first);
    const second = await takeWorker(options);
    expect(second.pid).toBe(first.pid);
    const other = await takeWorker({...options, threads: 2});
    expect(other.pid).not.toBe(first.pid);
    await giveBack(second);
    await giveBack(other);
  });

  it('does not keep one that failed', async () => {
    const worker = await takeWorker(options);
    await expect(run(worker, 'die')).rejects.toThrow();
    await giveBack(worker);
    const next = await takeWorker(options);
    expect(next.pid).not.toBe(worker.pid);
    await giveBack(next);
  });
});

describe('a shared region', () => {
  it('is one memory for both sides', () => {
    const own = createRegion(64);
    const theirs = attachRegion(own.handle);
    new Float32Array(own.buffer)[3] = 7;
    expect(new Float32Array(theirs.buffer)[3]).toBe(7);
    expect(own.shared).toBe(true);
    theirs.close();
    own.close();
  });

  it('of no bytes, or by message, is a copy', () => {
    const empty = createRegion(0);
    expect(attachRegion(empty.handle).buffer.byteLength).toBe(0);
    const content = new Uint8Array(new ArrayBuffer(16), 4, 8).fill(3);
    const copy = attachRegion({kind: 'message', content, bytes: 8});
    expect(new Uint8Array(copy.buffer)).toEqual(new Uint8Array(8).fill(3));
    expect(copy.shared).toBe(false);
  });
});
