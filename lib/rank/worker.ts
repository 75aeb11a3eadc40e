/**
 * What a worker process runs.
 */
import {engineInfo} from '../devices/engine';
// Layer classes of the course's own models are registered by their import.
import '../models';
import {serve} from '../workers/serve';
import {spmdJob} from './spmdJob';
import {trainJob} from './trainJob';
import {trainInProcess} from './inProcess';

const {name, gpu, reason} = engineInfo();
serve({train: trainJob, trainInProcess, spmd: spmdJob}, {engine: name, gpu, reason});
