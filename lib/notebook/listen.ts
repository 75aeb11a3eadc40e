/**
 * Shows the runs of this process in the cells that start them.
 */
import {setRunDisplay, showRuns, type RunDisplay} from '../run/progress/showRuns';
import {watchInTerminal} from '../run/progress/terminalProgress';
import {watchInCell} from './cellProgress';
import {inKernel} from './display';

/**
 * Shows every run that starts from now on in its cell; outside a notebook's kernel, runs stay on
 * stderr. Further calls change nothing. Returns the function that sends all runs to stderr again.
 */
export function listenToRuns(): () => void {
  showRuns();
  return setRunDisplay(inCell);
}

const inCell: RunDisplay = (state, warning) =>
  inKernel() ? watchInCell(state, warning) : watchInTerminal(state, warning);
