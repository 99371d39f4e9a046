import type { Mutant } from '../mutants.js';
import type { StoreDefects } from '../store/operations.js';

/** The planted defects that are the store's. */
export function storeDefectsOf(mutant: Mutant | null): StoreDefects {
  return {
    blindWrites: mutant === 'no-compare-and-set',
    staleRegistry: mutant === 'stale-registry',
    forgetsCommands: mutant === 'command-forgotten',
    startsBesideLive: mutant === 'start-beside-live',
    noSweep: mutant === 'region-left-behind',
    quietChanges: mutant === 'feed-skips',
    losesWakeUps: mutant === 'wake-up-lost',
    quietPauses: mutant === 'pause-unfenced',
    sleepsOn: mutant === 'pause-never-ends',
    clocksRun: mutant === 'clocks-run-in-pause',
    noCount: mutant === 'places-not-counted',
    openAdmits: mutant === 'open-circuit-admits',
    hastyPurges: mutant === 'purged-too-early',
    keepsPurged: mutant === 'purged-never-deleted',
  };
}
