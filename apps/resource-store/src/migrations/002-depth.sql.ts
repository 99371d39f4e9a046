/** Parents and children, gates (pauses, limits, circuit breakers), and what references what. */
export const DEPTH = `
alter table process_live
  add column parent_id bigint,
  add column parent_dispatch integer,
  add column parent_end text,
  add column held_by text,
  add column held_since timestamptz,
  add column admitted text;
create index process_live_parent on process_live (parent_id, parent_dispatch) where parent_id is not null;
create index process_live_held on process_live (held_by, priority desc, id) where held_by is not null;
create index process_live_admitted on process_live (admitted) where admitted is not null;

alter table process_finished
  add column parent_id bigint,
  add column parent_dispatch integer;
create index process_finished_parent on process_finished (parent_id, parent_dispatch) where parent_id is not null;

-- One entry per reference field that is set, '<field>:<number>': what points at a resource is found by it.
alter table resource_data add column refs text[];
create index resource_data_refs on resource_data using gin (refs) where refs is not null;

-- Rows of the version before, a bounded batch at a time.
create temporary table reference_field on commit drop as
  select distinct d.name as type, f.key as field
    from definition d cross join lateral jsonb_each(coalesce(d.document -> 'fields', '{}')) f
   where f.value ->> 'type' = 'reference';
do $$
declare
  done bigint := 0;
  upto bigint;
begin
  loop
    select max(id) into upto from (select id from resource_data where id > done order by id limit 5000) batch;
    exit when upto is null;
    update resource_data d set refs = found.refs
      from (select r.id, array_agg(f.field || ':' || substring(lower(r.data ->> f.field) from '^1[a-z]+([0-9]+)$') order by f.field) as refs
              from resource_data r join reference_field f on f.type = r.type
             where r.id > done and r.id <= upto and lower(r.data ->> f.field) ~ '^1[a-z]{1,64}[1-9][0-9]{0,15}$'
             group by r.id) found
     where d.id = found.id;
    done := upto;
  end loop;
end $$;

-- When a resource was purged. Both indexes hold only what still waits to be cleaned up: for purge, and to be deleted.
alter table resource_data add column purged timestamptz;
update resource_data d set purged = now() from resource r where r.id = d.id and r.state = 'purged';
create index resource_data_removed on resource_data (type, removed, id) where removed is not null and purged is null;
create index resource_data_purged on resource_data (purged, id) where purged is not null;

create table pause (
  scope     text        not null constraint pause_pkey primary key,
  since     timestamptz not null default now(),
  operator  text,
  reason    text
);

-- Limits of concurrency that operators set. The accounts that wait for one are found without reading all who wait.
create table concurrency_limit (
  scope           text    not null constraint concurrency_limit_pkey primary key,
  max_concurrent  integer,
  weight          integer not null
);
create index process_live_held_account on process_live (held_by, coalesce(account_id, 0), priority desc, id) where held_by is not null;

-- Who has a place in a limit of concurrency: counts as long as the process lives.
create table gate_place (
  gate        text   not null,
  process_id  bigint not null,
  constraint gate_place_pkey primary key (gate, process_id)
);

-- Turns of accounts that wait for one gate: the virtual time at which each is served next (account -1: that of the last one served).
create table gate_turn (
  gate        text             not null,
  account_id  bigint           not null,
  pass        double precision not null,
  constraint gate_turn_pkey primary key (gate, account_id)
);

create table handler_gate (
  handler       text    not null constraint handler_gate_pkey primary key,
  failures      integer not null,
  opened_until  timestamptz,
  changed       timestamptz not null default now()
);

-- Room for the next versions in a row's own page: an update that changes no indexed column then writes no index entry (HOT). ADR 055.
alter table resource_data set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
alter table handler_gate set (fillfactor = 50);
`;
