/**
 * The smallest durable record of a process: the resource with its state, the live process, what finished, the moves
 * of the state and an event per move. A schema of its own, so that it never meets the store's tables.
 */
export const SCHEMA = `
  drop schema if exists bench_limit cascade;
  create schema bench_limit;
  set search_path to bench_limit;
  create table resource (
    id bigint primary key,
    state text not null,
    revision bigint not null,
    data jsonb not null
  ) with (fillfactor = 80);
  create table process (
    id bigint primary key,
    resource_id bigint not null,
    name text not null,
    data jsonb not null,
    started timestamptz not null
  );
  create unique index process_hold on process (resource_id);
  create table finished (
    id bigint primary key,
    resource_id bigint not null,
    name text not null,
    data jsonb not null,
    result jsonb not null,
    started timestamptz not null,
    ended timestamptz not null
  );
  create table history (
    resource_id bigint not null,
    revision bigint not null,
    process_id bigint not null,
    from_state text not null,
    to_state text not null,
    at timestamptz not null,
    primary key (resource_id, revision)
  );
  create table event (
    id bigint generated always as identity (cache 256) primary key,
    resource_id bigint not null,
    revision bigint not null,
    state text not null
  );
`;

/**
 * start → transitioning: the resource by compare-and-set, the process, history and event, in one statement and so in
 * one transaction. Answers the rows that moved; whoever is missing was in another state.
 */
export const BEGIN = `
  with input as (
    select * from rows from (unnest($1::bigint[]), unnest($2::bigint[]), jsonb_array_elements($3::jsonb))
      as input (process_id, resource_id, data)
  ), moved as (
    update bench_limit.resource r set state = 'running', revision = r.revision + 1
    from input i where r.id = i.resource_id and r.state = 'idle'
    returning r.id, r.revision, i.process_id, i.data
  ), process as (
    insert into bench_limit.process (id, resource_id, name, data, started)
    select process_id, id, 'benchthing.run', data, now() from moved
  ), history as (
    insert into bench_limit.history (resource_id, revision, process_id, from_state, to_state, at)
    select id, revision, process_id, 'idle', 'running', now() from moved
  ), event as (
    insert into bench_limit.event (resource_id, revision, state) select id, revision, 'running' from moved
  )
  select process_id::float8 as process, revision::float8 as revision from moved`;

/** transitioning → done, with what the handler answered; the live process becomes a finished one. */
export const FINISH = `
  with input as (
    select * from rows from (unnest($1::bigint[]), jsonb_array_elements($2::jsonb)) as input (process_id, result)
  ), ended as (
    delete from bench_limit.process p using input i where p.id = i.process_id
    returning p.id, p.resource_id, p.name, p.data, p.started, i.result
  ), moved as (
    update bench_limit.resource r set state = 'idle', revision = r.revision + 1, data = r.data || e.result
    from ended e where r.id = e.resource_id and r.state = 'running'
    returning r.id, r.revision, e.id as process_id
  ), finished as (
    insert into bench_limit.finished (id, resource_id, name, data, result, started, ended)
    select id, resource_id, name, data, result, started, now() from ended
  ), history as (
    insert into bench_limit.history (resource_id, revision, process_id, from_state, to_state, at)
    select id, revision, process_id, 'running', 'idle', now() from moved
  ), event as (
    insert into bench_limit.event (resource_id, revision, state) select id, revision, 'idle' from moved
  )
  select process_id::float8 as process, revision::float8 as revision from moved`;

/**
 * For the flush connections. Left alone, the planner reads the whole of a table instead of a row by its key: by hash
 * join from some hundred rows on, and in a small table by a nested loop over all of it (64 rows: 3.2 ms instead of
 * 0.4 ms, 2026-11-22, 2 cores). A high price per row pins the way by the key; the plan is made once.
 */
export const PIN_PLAN = `
  set enable_seqscan = off;
  set enable_hashjoin = off;
  set enable_mergejoin = off;
  set cpu_tuple_cost = 10;
  set plan_cache_mode = force_generic_plan;
  set jit = off;
  set synchronous_commit = on`;
