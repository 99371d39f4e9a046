import { describe, expect, it } from 'vitest';
import { type FilterKind, parseFilters } from './filters.js';

const fields = new Map<string, FilterKind>([
  ['id', 'id'],
  ['name', 'text'],
  ['cpus', 'number'],
  ['on', 'boolean'],
  ['created', 'time'],
  ['until', 'date'],
  ['hostId', 'idText'],
]);

describe('filters', () => {
  it.each([
    ['name', 'web', { field: 'name', modifier: 'eq', value: 'web' }],
    ['name_prefix', 'w', { field: 'name', modifier: 'prefix', value: 'w' }],
    ['cpus_gte', '2', { field: 'cpus', modifier: 'gte', value: 2 }],
    ['on', 'true', { field: 'on', modifier: 'eq', value: true }],
    ['created_lt', '2026-01-31T12:00:00Z', { field: 'created', modifier: 'lt', value: Date.UTC(2026, 0, 31, 12) }],
    ['created_lt', '1769860800000', { field: 'created', modifier: 'lt', value: 1_769_860_800_000 }],
    ['id_ne', '1i5', { field: 'id', modifier: 'ne', value: 5 }],
    ['hostId', '1H3', { field: 'hostId', modifier: 'eq', value: '1h3' }],
    ['name_null', '', { field: 'name', modifier: 'null', value: null }],
  ])('%s=%s', (key, value, filter) => {
    expect(parseFilters([[key, value]], fields)).toEqual([filter]);
  });

  it('several on one field combine', () => {
    expect(
      parseFilters(
        [
          ['cpus_gt', '1'],
          ['cpus_lt', '9'],
        ],
        fields,
      ),
    ).toHaveLength(2);
  });

  it.each([
    ['colour', 'red'],
    ['colour_ne', 'red'],
    ['name_near', 'x'],
    ['_name', 'x'],
    ['cpus', 'many'],
    ['cpus', ''],
    ['cpus_like', '1'],
    ['on', 'yes'],
    ['created', 'yesterday'],
    ['until', 'never'],
    ['id', '5'],
    ['name', 'a\u0000b'],
  ])('%s=%s is refused', (key, value) => {
    expect(() => parseFilters([[key, value]], fields)).toThrow(
      expect.objectContaining({ code: 'InvalidFilter', extra: { fieldName: key } }),
    );
  });
});
