import type { CircuitBreaker, HandlerRow } from '@drover/contracts';
import { isJsonObject, type Json, type JsonObject } from '@drover/kernel';

export interface StoredHandler {
  id: number;
  name: string;
  data: JsonObject;
}

const DEFAULT_PRIORITY = 1000;

/** An external handler resource as the registry hands it out; what an operator left out has its default here. */
export function handlerRow({ id, name, data }: StoredHandler): HandlerRow {
  const listed = data['processConfigs'];
  const configs = (Array.isArray(listed) ? listed : []).filter(isJsonObject).map((config) => ({
    name: String(config['name'] ?? ''),
    onError: typeof config['onError'] === 'string' ? config['onError'] : null,
  }));
  const older = data['processNames'];
  if (typeof older === 'string' && older.trim() !== '') configs.push({ name: older, onError: null });
  return {
    resourceId: id,
    name,
    priority: number(data['priority']) ?? DEFAULT_PRIORITY,
    retries: number(data['retries']),
    timeoutMillis: number(data['timeoutMillis']),
    heartbeatMillis: number(data['heartbeatMillis']),
    totalMillis: number(data['totalMillis']),
    retry: isJsonObject(data['retry']) ? data['retry'] : null,
    delivery: data['delivery'] === 'durable' ? 'durable' : 'core',
    maxInFlight: number(data['maxInFlight']),
    circuitBreaker: breaker(data['circuitBreaker']),
    processConfigs: configs,
  };
}

function breaker(value: Json | undefined): CircuitBreaker | null {
  if (!isJsonObject(value)) return null;
  const failures = number(value['failures']);
  const openMillis = number(value['openMillis']);
  return failures === null || openMillis === null ? null : { failures, openMillis };
}

const number = (value: Json | undefined): number | null => (typeof value === 'number' ? value : null);
