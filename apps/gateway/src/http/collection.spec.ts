import { describe, expect, it } from 'vitest';
import { collection, markerOf, sliceOf } from './collection.js';

describe('a collection', () => {
  it('links to its next page and keeps the query', () => {
    const answer = collection(
      { data: [1], nextMarker: markerOf(7) },
      { resourceType: 'instance', self: 'http://h/v1/instances?limit=1&name=a', limit: 1 },
    );
    expect(answer['pagination']).toEqual({
      limit: 1,
      next: 'http://h/v1/instances?limit=1&name=a&marker=m7',
      partial: true,
    });
  });

  it('replaces the marker of the present page', () => {
    const answer = collection(
      { data: [1], nextMarker: 'm9' },
      { resourceType: 'instance', self: 'http://h/v1/instances?marker=m7', limit: 1 },
    );
    expect(answer['pagination']).toMatchObject({ next: 'http://h/v1/instances?marker=m9' });
  });

  it('says when it is whole', () => {
    const answer = collection(
      { data: [], nextMarker: null },
      { resourceType: 'instance', self: 'http://h/v1/instances', limit: 100 },
    );
    expect(answer['pagination']).toEqual({ limit: 100, next: null, partial: false });
  });
});

describe('a list in memory', () => {
  const items = [1, 2, 3, 4, 5];

  it('is paged without gaps or repeats', () => {
    const first = sliceOf(items, 2, undefined);
    const second = sliceOf(items, 2, first.nextMarker!);
    const third = sliceOf(items, 2, second.nextMarker!);
    expect([first, second, third].flatMap((page) => page.items)).toEqual(items);
    expect(third.nextMarker).toBeNull();
  });

  it('ends at its last item', () => {
    expect(sliceOf(items, 5, undefined).nextMarker).toBeNull();
    expect(sliceOf(items, 5, 'm99').items).toEqual([]);
  });
});
