import { describe, expect, it } from 'vitest';
import { startStack } from '@drover/testing';

describe('the test harness', () => {
  it('starts the real services on servers of their own, and a killed one comes back on its ports', async () => {
    await using stack = await startStack();
    const status = async (): Promise<number> => (await fetch(`${stack.url}/v1`)).status;
    expect(await status()).toBe(200);
    const before = stack.service('gateway');
    await stack.kill('gateway');
    await expect(status()).rejects.toThrow();
    await stack.restart('gateway');
    expect(await status()).toBe(200);
    expect(stack.service('gateway').adminUrl).toBe(before.adminUrl);
    expect(stack.service('gateway').pid).not.toBe(before.pid);
  });
});
