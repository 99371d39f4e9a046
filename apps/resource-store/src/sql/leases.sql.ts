/** Somebody else's unexpired lease, read before trying: a replica that only stands by writes nothing. $1 job, $2 holder */
export const READ_LEASE = `select holder from lease where job = $1 and holder <> $2 and expires_at > now()`;

/** Takes or renews; the epoch rises with every change of hands. $1 job, $2 holder, $3 milliseconds */
export const TAKE_LEASE = `
insert into lease (job, holder, epoch, expires_at) values ($1, $2, 1, now() + $3 * interval '1 millisecond')
on conflict (job) do update
   set holder = excluded.holder, expires_at = excluded.expires_at,
       epoch = lease.epoch + (lease.holder <> excluded.holder)::int
 where lease.holder = excluded.holder or lease.expires_at <= now()
returning epoch`;

export const RELEASE_LEASE = `update lease set expires_at = now() where job = $1 and holder = $2`;
