import { describe, expect, it } from 'vitest';
import { preflight } from './lib/preflight.mjs';

const machine = { version: '20.19.0', platform: 'linux', glibc: true, env: {} };

describe('what a machine must have', () => {
  it.each(['20.19.0', '20.20.2', '22.12.0', '24.11.0', '26.0.0'])('Node %s is fine', (version) => {
    expect(preflight({ ...machine, version })).toEqual([]);
  });

  it.each(['18.20.0', '20.18.3', '21.7.0', '22.11.0', '23.9.0', '24.10.0'])(
    'Node %s is refused in one sentence',
    (version) => {
      expect(preflight({ ...machine, version })).toEqual([expect.stringContaining(`Node ${version}`)]);
    },
  );

  it('Windows is sent to WSL2', () => {
    expect(preflight({ ...machine, platform: 'win32' })).toEqual([expect.stringContaining('WSL2')]);
  });

  it('a Linux without glibc needs servers from elsewhere', () => {
    expect(preflight({ ...machine, glibc: false })).toEqual([expect.stringContaining('glibc')]);
    const env = { DROVER_DATABASE_URL: 'postgresql://db', DROVER_NATS_URL: 'nats://nats' };
    expect(preflight({ ...machine, glibc: false, env })).toEqual([]);
  });
});
