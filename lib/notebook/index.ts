/** Displays, tables, figures, pictures and drawings for notebooks. */
export {showHtml, showBundle, newLiveDisplay, inKernel} from './display';
export type {LiveDisplay, MimeBundle} from './display';
export {show, View, Drawn, saveDrawing} from './view';
export {table} from './table';
export type {Cell, Row, TableOptions} from './table';
export {figure, Figure} from './figure';
export type {FigureOptions} from './figure';
export {saveFigure} from './figureFile';
export {lossFigure} from './figures/loss';
export {timeSpentFigure} from './figures/timeSpent';
export {growthFigure} from './figures/growth';
export type {GrowthModel, GrowthOptions, GrowthSeries} from './figures/growth';
export {barsFigure} from './figures/bars';
export type {Bar, BarsOptions} from './figures/bars';
export {memoryFigure} from './figures/memory';
export type {MemoryBar, MemoryOptions} from './figures/memory';
export {timelineFigure} from './figures/timeline';
export type {TimelineOptions} from './figures/timeline';
export {median, powerLaw} from '../base/statistics';
export {pictures} from './pictures';
export type {PictureOptions} from './pictures';
export {Drawing} from './drawing';
export {
  puzzleDrawing,
  dataParallelDrawing,
  modelParallelDrawing,
  oneMachineDrawing,
  courseMapDrawing,
} from './drawings/course';
export {collectiveDrawing} from './drawings/collective';
export type {CollectiveName} from './drawings/collective';
export {shardDrawing} from './drawings/shards';
export {meshDrawing} from './drawings/mesh';
export type {MeshDrawingOptions} from './drawings/mesh';
export {ranksDrawing} from './drawings/ranks';
export type {RanksDrawingOptions} from './drawings/ranks';
export {matrixDrawing} from './drawings/matrix';
export type {MatrixSplit} from './drawings/matrix';
export {scheduleDrawing} from './drawings/schedule';
export type {ScheduleDrawingOptions} from './drawings/schedule';
export {algorithmDrawing} from './drawings/algorithm';
export {decisionCard} from './drawings/decisionCard';
export type {DecisionCardOptions, DecisionVerdict} from './drawings/decisionCard';
export type {DecisionQuestion} from './drawings/decisionSteps';
export {renderMarkdown} from './markdown';
export {rankStyle, kindStyle} from './palette';
export {formatNumber, formatSeconds} from '../base/format';
export {listenToRuns} from './listen';
