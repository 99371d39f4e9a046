export { valueProblem, type ValueProblem } from './values.js';
