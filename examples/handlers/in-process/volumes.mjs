/**
 * Two handlers that run inside the process engine: no build, no package.json. Start every engine with
 *
 *     DROVER_HANDLERS=./examples/handlers/in-process
 *
 * They fit the type `volume` of examples/definitions. Each is safe to run twice with one `key`: an engine may die between the work and
 * the commit, and the next one runs the step again. `DROVER_HANDLERS_CHECK=on` runs every step twice to prove it.
 */

/** Places a new volume: the same key leads to the same device, however often it is asked. */
export class PlaceVolume {
  name = 'place-volume';
  processes = 'volume.activate';
  /** Ends the handler phase for less specific handlers only when it says so; here all of them run, in ascending priority. */
  priority = 1000;
  /** One attempt, milliseconds. An attempt that overruns has its `signal` aborted and is made again, up to `retries` in all. */
  timeoutMillis = 10_000;
  retries = 3;

  async handle({ key, resource, signal, progress }) {
    progress('looking for a place', 10);
    signal.throwIfAborted();
    if (resource.sizeMb > 1_000_000)
      // An error with a code. It is final: without `retryable: false` it would be tried again, as would anything thrown.
      return {
        transitioning: 'error',
        code: 'VolumeTooLarge',
        transitioningMessage: `${resource.sizeMb} MB fit nowhere`,
        retryable: false,
      };
    // Declared fields by name; `+data` merges into the free-form map that every resource has.
    return { data: { device: `/dev/pool/${key}`, '+data': { placedBy: 'place-volume' } } };
  }
}

/** A listener: it sees every removal of every type before the handlers do. */
export const noteRemovals = {
  name: 'note-removals',
  processes: 'pre.*.remove',
  handle({ process, resource }) {
    console.log(JSON.stringify({ note: 'about to run', process, resource: resource.id }));
  },
};
