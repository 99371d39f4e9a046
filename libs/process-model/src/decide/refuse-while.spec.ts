import type { CommitTransition } from '@drover/contracts';
import { describe, expect, it } from 'vitest';
import { WatchedReferences } from '../fields/index.js';
import { compile, handler, Life, ok, reply } from './life.fixture.js';

const SHELF = `
apiVersion: drover/v1
kind: ResourceType
name: shelf
fields: { roomId: { type: reference, to: room, update: true } }
relationships: { books: { list: book, by: shelfId }, readers: { list: reader, through: loan, by: shelfId, to: readerId } }
defaultProcesses: false
final: [emptied]
processes:
  tidy: { start: [full], transitioning: tidying, done: tidied, delegate: { to: empty, always: true } }
  move: { start: [full], transitioning: moving, done: tidied }
  empty: { start: [tidied], transitioning: emptying, done: emptied, refuseWhile: [books, readers, room] }
`;

const WHY = 'shelf.empty is refused while books is not empty: 1b3 (inactive)';

function life(verb: string): { shelf: Life; committed: CommitTransition[] } {
  const shelf = new Life([handler('demo', `shelf.${verb}`)], 'full', SHELF);
  const committed: CommitTransition[] = [];
  shelf.onCommit = (transition) => void committed.push(transition);
  shelf.start(verb);
  return { shelf, committed };
}

describe('what follows on a process hangs on the relations that its refuseWhile names', () => {
  const relations = [
    { kind: 'list', type: 'book', ref: 'shelfId:7' },
    { kind: 'through', type: 'reader', through: 'loan', ref: 'shelfId:7', to: 'readerId' },
    { kind: 'reference', type: 'room', id: 5 },
  ];

  it('a chain and a delegate commit only while they are empty, seen with the data of the last result', () => {
    for (const [verb, body] of [
      ['move', { chainProcess: 'shelf.empty', data: { roomId: '1r5' } }],
      ['tidy', { data: { roomId: '1r5' } }],
    ] as const) {
      const { shelf, committed } = life(verb);
      shelf.reply(reply(body));
      expect(committed.find(({ unless }) => unless !== undefined)?.unless).toEqual(relations);
      expect(shelf.resource.state).toBe('emptied');
    }
  });

  it('a refused chain is a failure that says why; a retry asks again', () => {
    const { shelf } = life('move');
    shelf.refusals = new Map([['shelf.empty', WHY]]);
    shelf.reply(reply({ chainProcess: 'shelf.empty' }));
    expect(shelf.process()).toMatchObject({
      status: 'parked',
      errorCode: 'HandlerDataRefused',
      errorMessage: `chainProcess "shelf.empty": ${WHY}`,
    });
    expect(shelf.violations()).toEqual([]);
    shelf.refusals = new Map();
    shelf.operate('retry');
    // No handler of its own: it is done.
    expect([shelf.resource.state, shelf.finished.map(({ exitReason }) => exitReason)]).toEqual([
      'emptied',
      ['CHAIN', 'DONE'],
    ]);
    expect(shelf.sent).toHaveLength(1);
  });

  it('a refused delegate is none: the process rests in its done state, and the record says why', () => {
    const { shelf } = life('tidy');
    shelf.refusals = new Map([['shelf.empty', WHY]]);
    shelf.reply(ok());
    expect([shelf.resource.state, shelf.isLive(), shelf.violations()]).toEqual(['tidied', false, []]);
    expect(shelf.finished[0]).toMatchObject({ exitReason: 'DONE' });
    expect(shelf.finished[0]!.progress.steps.at(-1)).toMatchObject({ error: { code: 'NoDelegate', message: WHY } });
  });
});

describe('references that a refuseWhile looks at', () => {
  const watched = new WatchedReferences([compile(SHELF)]);

  it('are those by which its lists are found, of the related type or of the one between', () => {
    expect(watched.targets('book', ['roomId:4', 'shelfId:12'])).toEqual([12]);
    expect(watched.targets('loan', ['shelfId:12', 'readerId:9'])).toEqual([12]);
    expect(watched.targets('reader', ['shelfId:12'])).toEqual([]);
    expect(watched.targets('shelf', ['roomId:4'])).toEqual([]);
    expect(watched.targets('book', undefined)).toEqual([]);
  });

  it('are said in the commit that sets them, and others are not', () => {
    const own = new Life([handler('demo', 'shelf.move')], 'full', SHELF);
    const committed: CommitTransition[] = [];
    own.onCommit = (transition) => void committed.push(transition);
    const depot = compile(`
apiVersion: drover/v1
kind: ResourceType
name: room
relationships: { shelves: { list: shelf, by: roomId } }
processes: { close: { start: [active], transitioning: closing, done: active, refuseWhile: [shelves] } }`);
    own.start('move');
    own.watched = new WatchedReferences([depot]);
    own.reply(ok({ roomId: '1r5' }));
    expect(committed.flatMap(({ relates }) => relates ?? [])).toEqual([5]);
    const other = life('move');
    other.shelf.reply(ok({ roomId: '1r5' }));
    expect(other.committed.some(({ relates }) => relates !== undefined)).toBe(false);
  });
});
