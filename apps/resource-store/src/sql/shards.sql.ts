/** How the numbers of resources and processes go on. `started`: some were drawn. */
export const READ_NUMBERING = `
select s.start_value as start, s.increment_by as step, n.last_value as last, n.is_called as started
  from pg_sequences s, drover_number n
 where s.schemaname = current_schema() and s.sequencename = 'drover_number'`;

/** Locks the sequence until the transaction ends: nobody draws a number meanwhile. */
export const LOCK_NUMBERING = `alter sequence drover_number no cycle`;

/** Utility statements take no parameters: the caller gives whole numbers. */
export const setNumbering = (first: number, step: number): string =>
  `alter sequence drover_number increment by ${step} start with ${first} restart with ${first}`;
