import type { Filter, RelationRef } from '@drover/contracts';
import { transitioningStates, type TypeDefinition } from '@drover/process-model';
import { memberCondition } from '../sql/related.sql.js';
import { RESOURCE_COLUMNS } from '../sql/rows.sql.js';
import { allOf, conditions, Parameters, resourceColumns, type FilterColumn, type FilterColumns } from './filters.js';
import { inOrder, lookedAt } from './look-through.js';

/** Which resources a list has, and in which order of their numbers. */
export interface ResourcesWanted {
  type: string;
  filters: Filter[];
  descending: boolean;
  includeRemoved: boolean;
  relation?: RelationRef;
}

/** SQL, and its parameters. */
export interface Statement {
  text: string;
  values: unknown[];
}

const RESTING: FilterColumn = { sql: 'r.resting', type: 'text' };
const RESOURCES = 'resource_data d join resource r on r.id = d.id';
const LIVE_RESOURCES =
  'process_live p join resource r on r.id = p.resource_id join resource_data d on d.id = p.resource_id';
/** In another state than they are indexed by (ADR 014). */
const ON_THE_WAY = ['r.resting <> r.state', 'p.resource_type = r.type', `p.state_field = 'state'`];

/** The statements of a list of resources, page by page. */
export class ResourcePages {
  private readonly direction: 'asc' | 'desc';
  private readonly columns: FilterColumns;
  /** found by the state that resources rest in, of which some have left it */
  private readonly state: Filter | undefined;
  /** a transitioning state: resources are in it that rested in others */
  private readonly onTheWay: boolean;

  constructor(
    private readonly wanted: ResourcesWanted,
    definition: TypeDefinition,
  ) {
    this.direction = wanted.descending ? 'desc' : 'asc';
    this.columns = resourceColumns(definition);
    this.state = wanted.filters.find(isState);
    this.onTheWay = this.state !== undefined && transitioningStates(definition, 'state').has(String(this.state.value));
  }

  /** An index finds all of it: no row is looked at in vain. */
  get keyed(): boolean {
    return this.wanted.includeRemoved && this.wanted.filters.every(hasIndex);
  }

  /** A page that is {@link keyed}. */
  whole(after: number | null, limit: number): Statement {
    const parameters = new Parameters();
    const text = this.select(RESOURCES, '', this.key(after, parameters));
    return { text: `${text} limit ${parameters.add(limit)}`, values: parameters.values };
  }

  /** A step of {@link lookThrough}. */
  step(after: number | null, limit: number): Statement {
    const { state, columns } = this;
    const parameters = new Parameters();
    const key = this.key(after, parameters);
    const matches = conditions(
      this.wanted.filters.filter((filter) => !hasIndex(filter) && filter !== state),
      columns,
      parameters,
    );
    if (!this.wanted.includeRemoved) matches.push(`r.state not in ('removed', 'purging', 'purged')`);
    const part = (from: string, where: string[], more: string[] = []): string =>
      this.select(from, `, (${['true', ...more, ...matches].join(' and ')}) as matches`, [...key, ...where]);
    const parts: string[] = [];
    if (state === undefined) parts.push(part(RESOURCES, []));
    else {
      const is = conditions([state], columns, parameters);
      const rests = conditions([state], () => RESTING, parameters);
      parts.push(part(RESOURCES, rests, is));
      if (this.onTheWay) parts.push(part(LIVE_RESOURCES, [...is, ...ON_THE_WAY]));
    }
    const text = lookedAt(inOrder(this.direction, parts), this.direction, parameters.add(limit));
    return { text, values: parameters.values };
  }

  private select(from: string, more: string, where: string[]): string {
    return `select ${RESOURCE_COLUMNS}${more} from ${from}${allOf(where)} order by d.id ${this.direction}`;
  }

  private key(after: number | null, parameters: Parameters): string[] {
    const { type, filters, relation, descending } = this.wanted;
    const key = [`r.type = ${parameters.add(type)}`, `d.type = r.type`];
    key.push(...conditions(filters.filter(hasIndex), this.columns, parameters));
    if (relation !== undefined) key.push(memberCondition(relation, (value) => parameters.add(value)));
    if (after !== null) {
      // Of both tables: in a merge join, the one without the condition is read from its beginning.
      const place = `${descending ? '<' : '>'} ${parameters.add(after)}`;
      key.push(`d.id ${place}`, `r.id ${place}`);
    }
    return key;
  }
}

/** Such a filter finds its rows by an index, and may look at all of them. */
const hasIndex = ({ field, modifier, value }: Filter): boolean =>
  (field === 'uuid' || field === 'id') && modifier === 'eq' && value !== null;

const isState = ({ field, modifier, value }: Filter): boolean =>
  field === 'state' && modifier === 'eq' && value !== null;
