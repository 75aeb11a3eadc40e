/** Runs before each file of every project. */
import {afterAll} from 'vitest';
import {removeFolders} from './folders';

afterAll(removeFolders);
