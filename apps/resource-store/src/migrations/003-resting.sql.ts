/** The state a resource rested in last takes the state's place in an index: what starts and comes back writes no index entry. ADR 014. */
export const RESTING = `
drop index resource_type_state;
alter table resource add column resting text;
-- One rewrite of the table, instead of a second version of every row.
alter table resource alter column resting type text using state, alter column resting set not null;
create index resource_type_resting on resource (type, resting);
`;
