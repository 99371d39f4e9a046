import { DroverError } from '@drover/kernel';

export interface HostRules {
  /** with authentication on, keys protect the API and any host name may be used */
  enforce: boolean;
  /** `DROVER_ALLOWED_HOSTS`: host names, with or without port; `*` allows any */
  allowedHosts: string[];
}

/**
 * Without authentication, a page of any web site could drive the API of whoever visits it: through a form or fetch (its Origin is
 * foreign), or by pointing a name of its own at 127.0.0.1 (its Host is foreign).
 * @throws DroverError Forbidden
 */
export function checkHost(rules: HostRules, host: string | undefined, origin: string | undefined): void {
  if (!rules.enforce || rules.allowedHosts.includes('*')) return;
  if (host === undefined || !isAllowed(rules, `http://${host}`))
    throw new DroverError(
      'Forbidden',
      `The host name ${quoted(host)} is not allowed; DROVER_ALLOWED_HOSTS may name it`,
    );
  if (origin !== undefined && !isAllowed(rules, origin))
    throw new DroverError(
      'Forbidden',
      `Requests from the origin ${quoted(origin)} are not allowed; DROVER_ALLOWED_HOSTS may name it`,
    );
}

function isAllowed(rules: HostRules, url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { hostname, host } = new URL(url);
  if (hostname === '') return false;
  return isLoopback(hostname) || rules.allowedHosts.some((allowed) => [hostname, host].includes(allowed.toLowerCase()));
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname);
}

function quoted(text: string | undefined): string {
  return JSON.stringify((text ?? '').slice(0, 100));
}
