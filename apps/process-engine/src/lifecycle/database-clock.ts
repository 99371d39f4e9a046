import { Injectable } from '@nestjs/common';

/**
 * The database's clock, as last heard, carried on by this program's own: for times that are shown. Nothing is decided by it:
 * deadlines are compared in the database.
 */
@Injectable()
export class DatabaseClock {
  private offsetMillis = 0;

  /** @param now the database's time in an answer, epoch milliseconds */
  heard(now: number): void {
    this.offsetMillis = now - Date.now();
  }

  now(): number {
    return Date.now() + this.offsetMillis;
  }
}
