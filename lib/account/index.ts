/** Either side. Where a model's memory goes, before it is trained. */
export {account, ModelAccount} from './account';
export type {Account, AccountOptions, AccountRow} from './account';
