import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SERVICES = ['gateway', 'process-engine', 'resource-store'];
const works = (command: string, args: string[]): boolean => {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

interface Container {
  name: string;
  image: string;
  env?: { name: string; value?: string }[];
  readinessProbe: { httpGet?: { path: string; port: string } };
  livenessProbe: { httpGet?: { path: string; port: string } };
  resources: { requests?: object; limits?: object };
  securityContext: Record<string, unknown>;
}
interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string };
  spec: { template: { spec: { securityContext: Record<string, unknown>; containers: Container[] } } };
}

describe.runIf(works('kubectl', ['version', '--client']))('deploy/k8s, as kubectl renders it', () => {
  const rendered = (): Manifest[] =>
    parseAllDocuments(execFileSync('kubectl', ['kustomize', 'deploy/k8s'], { cwd: ROOT, encoding: 'utf8' })).map(
      (document) => document.toJS() as Manifest,
    );

  it('has the three services, PostgreSQL and NATS, all in one namespace', () => {
    const all = rendered();
    const named = (kind: string): string[] => all.filter((one) => one.kind === kind).map((one) => one.metadata.name);
    expect(named('Deployment').sort()).toEqual(SERVICES);
    expect(named('StatefulSet').sort()).toEqual(['nats', 'postgres']);
    const homes = all.filter((one) => one.kind !== 'Namespace').map((one) => one.metadata.namespace);
    expect(new Set(homes)).toEqual(new Set(['drover']));
  });

  it('every pod is unprivileged, bounded in memory and probed', () => {
    for (const { spec, metadata } of rendered().filter((one) => ['Deployment', 'StatefulSet'].includes(one.kind))) {
      const { securityContext, containers } = spec.template.spec;
      expect(securityContext, metadata.name).toMatchObject({ runAsNonRoot: true });
      for (const container of containers) {
        expect(container.securityContext).toMatchObject({
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
        });
        expect(container.resources).toMatchObject({
          requests: { memory: expect.any(String) },
          limits: { memory: expect.any(String) },
        });
        expect(container.readinessProbe).toBeDefined();
        expect(container.livenessProbe).toBeDefined();
      }
    }
  });

  it('the services are probed on the admin port, and only the store knows the database', () => {
    for (const { spec, metadata } of rendered().filter((one) => one.kind === 'Deployment')) {
      const [container] = spec.template.spec.containers;
      expect(container!.readinessProbe.httpGet).toMatchObject({ path: '/readyz', port: 'admin' });
      expect(container!.livenessProbe.httpGet).toMatchObject({ path: '/healthz', port: 'admin' });
      const knows = container!.env?.some((variable) => variable.name === 'DROVER_DATABASE_URL') ?? false;
      expect(knows, metadata.name).toBe(metadata.name === 'resource-store');
    }
  });
});

describe('docker-compose.yml', () => {
  const file = parse(readFileSync(`${ROOT}docker-compose.yml`, 'utf8'), { merge: true }) as {
    services: Record<string, { build?: { dockerfile: string }; image?: string }>;
  };

  it("builds each service from its own Dockerfile, which runs that app's program unprivileged", () => {
    for (const service of SERVICES) {
      const { dockerfile } = file.services[service]!.build!;
      expect(dockerfile).toBe(`apps/${service}/Dockerfile`);
      const text = readFileSync(`${ROOT}${dockerfile}`, 'utf8');
      expect(text).toContain(`"apps/${service}/dist/main.js"]`);
      expect(text).toMatch(/^USER node$/m);
    }
  });

  it.runIf(works('docker', ['compose', 'version']))('is accepted by docker compose', () => {
    const env = { ...process.env, POSTGRES_PASSWORD: 'x' };
    execFileSync('docker', ['compose', 'config', '--quiet'], { cwd: ROOT, env });
  });
});
