/**
 * The entry point of a worker process.
 */
import {engineInfo} from '../devices/engine';
// This import registers the layer classes of the library's own models.
import '../models';
import {serve} from '../workers/serve';
import {spmdJob} from './spmdJob';
import {trainJob} from './trainJob';
import {trainInProcess} from './inProcess';

const {name, gpu, reason} = engineInfo();
serve({train: trainJob, trainInProcess, spmd: spmdJob}, {engine: name, gpu, reason});
