import { describe, expect, it } from 'vitest';
import { ConfigError, engineSettings, integer, loadConfig, loadGatewayConfig, loadStoreConfig } from './index.js';

describe('configuration', () => {
  it('a gateway without any variable listens on loopback, with authentication on', () => {
    expect(loadGatewayConfig({})).toMatchObject({ httpPort: 8080, httpHost: '127.0.0.1', adminPort: 9090, auth: true });
  });

  it('all problems come in one message, without the values', () => {
    const env = {
      DROVER_HTTP_PORT: 'secret-80',
      DROVER_AUTH: 'secret-maybe',
      DROVER_NATS_URL: 'http://user:secret@host',
    };
    const load = (): unknown => loadGatewayConfig(env);
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(/DROVER_NATS_URL[^]*DROVER_HTTP_PORT[^]*DROVER_AUTH/);
    expect(load).not.toThrow(/secret/);
  });

  it('the store refuses to guess its database', () => {
    expect(() => loadStoreConfig({})).toThrow('DROVER_DATABASE_URL must be set');
  });

  it('an empty variable counts as absent', () => {
    expect(loadGatewayConfig({ DROVER_HTTP_PORT: '', DROVER_ALLOWED_HOSTS: '' })).toMatchObject({
      httpPort: 8080,
      allowedHosts: [],
    });
  });

  it('a service adds keys of its own', () => {
    const spec = { ...engineSettings, timeoutMillis: integer('ENGINE_TIMEOUT_MILLIS', { fallback: 45_000, min: 1 }) };
    expect(loadConfig(spec, { ENGINE_TIMEOUT_MILLIS: '7' }).timeoutMillis).toBe(7);
    expect(() => loadConfig(spec, { ENGINE_TIMEOUT_MILLIS: '0' })).toThrow('from 1 to');
    expect(() => loadConfig(spec, { ENGINE_TIMEOUT_MILLIS: '1.5' })).toThrow('whole number');
  });

  it('a list of NATS servers is one value', () => {
    const servers = 'nats://a:4222,nats://b:4222';
    expect(loadConfig(engineSettings, { DROVER_NATS_URL: servers }).natsUrl).toBe(servers);
  });
});
