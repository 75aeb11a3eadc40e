/**
 * The library's layer classes; importing this module registers them, so that a worker can rebuild a
 * model that uses them.
 */
export {CausalSelfAttention} from './causalSelfAttention';
export type {CausalSelfAttentionArgs} from './causalSelfAttention';
export {Dropout} from './dropout';
export type {DropoutArgs} from './dropout';
export {LayerNorm} from './layerNorm';
export type {LayerNormArgs} from './layerNorm';
export {PositionEmbedding} from './positionEmbedding';
export type {PositionEmbeddingArgs} from './positionEmbedding';
export {TokenEmbedding} from './tokenEmbedding';
export type {TokenEmbeddingArgs} from './tokenEmbedding';
