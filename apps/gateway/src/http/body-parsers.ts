import { DroverError, type Json, parseJson } from '@drover/kernel';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { readForm } from './form.js';

/** The text of a definition, unread: only the definition routes get one. JSON is already known to be legal and shallow. */
export class DefinitionText {
  constructor(
    readonly text: string,
    readonly format: 'json' | 'yaml',
  ) {}
}

const YAML = /^(application|text)\/(x-)?yaml(\s*;|$)/i;
const JSON_TYPE = /^application\/([a-z0-9.-]+\+)?json(\s*;|$)/i;
const FORM = /^(application\/x-www-form-urlencoded|multipart\/form-data)(\s*;|$)/i;
const DEFINITIONS = /^\/v1\/definitions?(\/|\?|$)/i;

/**
 * Replaces Fastify's parsers by ours: the raw bytes are checked (UTF-8, depth, keys) before anything recurses. An empty body is `{}`:
 * actions need none. Fastify refuses any other media type with 415, and what is over the limit with 413.
 */
export function installBodyParsers(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (request: FastifyRequest, body: Buffer, done) =>
    done(null, readJson(request, body)),
  );
  fastify.addContentTypeParser(YAML, { parseAs: 'buffer' }, (request: FastifyRequest, body: Buffer, done) =>
    done(null, readYaml(request, body)),
  );
  fastify.addContentTypeParser(FORM, { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) =>
    readForm(body, request.headers['content-type'] ?? ''),
  );
}

function readJson(request: FastifyRequest, body: Buffer): Json | DefinitionText {
  const text = decode(body);
  const value = text.trim() === '' ? {} : parseJson(text);
  return DEFINITIONS.test(request.url) ? new DefinitionText(text, 'json') : value;
}

function readYaml(request: FastifyRequest, body: Buffer): DefinitionText {
  if (DEFINITIONS.test(request.url)) return new DefinitionText(decode(body), 'yaml');
  throw new DroverError('UnsupportedMediaType', 'The body must be application/json; YAML is for definitions');
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decode(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new DroverError('InvalidBodyContent', 'The body is not UTF-8');
  }
}
