/** The schema, first version. Names are unqualified: the service lives in the first schema of its search path and needs no other. */
export const INITIAL_SCHEMA = `
-- Numbers of resources and processes: one sequence, so that a number is unique over all types.
create sequence drover_number as bigint;

-- Narrow: every transition writes a new version of this row. What changes seldom is in resource_data.
create table resource (
  id             bigint   not null constraint resource_pkey primary key,
  account_id     bigint,
  revision       integer  not null,
  data_revision  integer  not null,
  progress       smallint,
  type           text     not null,
  kind           text     not null,
  state          text     not null,
  transitioning  text     not null,
  message        text,
  regions        jsonb
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
create index resource_type_state on resource (type, state);

create table resource_data (
  id           bigint      not null constraint resource_data_pkey primary key,
  created      timestamptz not null,
  removed      timestamptz,
  revision     integer     not null,
  type         text        not null,
  uuid         text        not null,
  name         text,
  description  text,
  claim        text,
  data         jsonb       not null
);
create unique index resource_data_uuid on resource_data (uuid);
create index resource_data_type on resource_data (type, id);
-- A name that only one resource may hold at a time: that of an external handler from registering to inactive.
create unique index resource_data_claim on resource_data (claim) where claim is not null;

create table process_live (
  id                  bigint      not null constraint process_live_pkey primary key,
  resource_id         bigint      not null,
  account_id          bigint,
  predecessor_id      bigint,
  start_time          timestamptz not null,
  next_wake_at        timestamptz not null,
  deadline            timestamptz,
  wait_deadline       timestamptz,
  total_deadline      timestamptz,
  version             integer     not null,
  definition_version  integer     not null,
  dispatch            integer     not null,
  execution_count     integer     not null,
  priority            integer     not null,
  slot                smallint,
  resend              boolean     not null,
  resource_type       text        not null,
  state_field         text        not null,
  name                text        not null,
  began_state         text        not null,
  status              text        not null,
  waiting_handler     text,
  token               text        not null,
  notify              text,
  error_code          text,
  error_message       text,
  progress            json        not null,
  data                json        not null
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_analyze_scale_factor = 0.05);
-- At most one live process per region: the database's half of invariant 2.
create unique index process_live_region on process_live (resource_id, state_field);
create index process_live_wake on process_live (next_wake_at) where next_wake_at < 'infinity';
create index process_live_waiting on process_live (waiting_handler, id) where waiting_handler is not null;
create index process_live_predecessor on process_live (predecessor_id) where predecessor_id is not null;

create table process_finished (
  id                  bigint      not null,
  resource_id         bigint      not null,
  account_id          bigint,
  start_time          timestamptz not null,
  end_time            timestamptz not null,
  definition_version  integer     not null,
  execution_count     integer     not null,
  priority            integer     not null,
  resource_type       text        not null,
  state_field         text        not null,
  name                text        not null,
  exit_reason         text        not null,
  error_code          text,
  error_message       text,
  progress            json        not null,
  data                json        not null,
  constraint process_finished_pkey primary key (id, end_time)
) partition by range (end_time);
create index process_finished_resource on process_finished (resource_id, id);

-- CACHE 1 (the default) is load-bearing: the order of one resource's rows is the order of their numbers.
create sequence feed_id as bigint cache 1;
create table feed (
  id             bigint      not null default nextval('feed_id'),
  resource_id    bigint      not null,
  process_id     bigint,
  time           timestamptz not null,
  revision       integer     not null,
  kind           text        not null,
  process        text,
  state_field    text, -- null: state
  from_state     text        not null,
  to_state       text        not null,
  constraint feed_pkey primary key (id, time)
) partition by range (time);
create index feed_resource on feed (resource_id, revision);

-- Where the relay is: the last feed number that was published, the epoch of the replica that publishes, and the highest number that
-- retention dropped.
create table relay (
  id         smallint not null constraint relay_pkey primary key,
  epoch      integer  not null,
  published  bigint   not null,
  trimmed    bigint   not null
);
insert into relay (id, epoch, published, trimmed) values (1, 0, 0, 0);

-- Not partitioned: a unique id without the time column is impossible on a partitioned table.
create table command (
  id           uuid        not null constraint command_pkey primary key,
  resource_id  bigint      not null,
  process_id   bigint,
  created      timestamptz not null default now(),
  hash         uuid -- MD5 of the caller's hash: 16 bytes instead of 65
);
create index command_created on command using brin (created) with (pages_per_range = 16, autosummarize = on);

create table definition (
  name      text        not null,
  version   integer     not null,
  revision  bigint      not null,
  created   timestamptz not null default now(),
  system    boolean     not null,
  deleted   boolean     not null,
  hash      text        not null,
  document  jsonb       not null,
  warnings  jsonb       not null,
  constraint definition_pkey primary key (name, version)
);
create index definition_revision on definition (revision);

create table registry (
  id        smallint not null constraint registry_pkey primary key,
  revision  bigint   not null
);
insert into registry (id, revision) values (1, 1);

create table definition_file (
  name  text not null constraint definition_file_pkey primary key,
  hash  text not null
);

create table reply_slot (
  slot        smallint    not null constraint reply_slot_pkey primary key,
  epoch       integer     not null,
  expires_at  timestamptz not null,
  engine      text
);

create table lease (
  job         text        not null constraint lease_pkey primary key,
  holder      text        not null,
  epoch       integer     not null,
  expires_at  timestamptz not null
);
`;
