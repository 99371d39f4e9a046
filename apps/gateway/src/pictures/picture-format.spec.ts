import { describe, expect, it } from 'vitest';
import { escapeHtml, inlineSvg } from './html.js';
import { formatOf } from './picture-format.js';

describe('the format of a picture', () => {
  it.each([
    [undefined, undefined, 'dot'],
    [undefined, '*/*', 'dot'],
    [undefined, 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'html'],
    [undefined, 'image/avif,image/webp,image/svg+xml,image/*,*/*;q=0.8', 'svg'],
    [undefined, 'text/html;q=0.1, image/svg+xml', 'svg'],
    [undefined, 'text/html;q=0, text/plain', 'dot'],
    [undefined, 'application/json', 'dot'],
    [undefined, '__proto__', 'dot'],
    ['svg', 'text/html', 'svg'],
    ['html', undefined, 'html'],
    ['dot', 'text/html', 'dot'],
  ])('format=%s, Accept: %s is %s', (query, accept, format) => {
    expect(formatOf(query, accept)).toBe(format);
  });

  it.each(['png', '', ['svg', 'dot']])('format=%s is refused', (query) => {
    expect(() => formatOf(query, undefined)).toThrow(expect.objectContaining({ code: 'InvalidOption' }));
  });
});

describe('text in a page', () => {
  it('cannot become markup', () => {
    expect(escapeHtml(`<b a="1" c='2'>&`)).toBe('&#60;b a=&#34;1&#34; c=&#39;2&#39;&#62;&#38;');
  });

  it('a drawing goes in without its prologue', () => {
    expect(inlineSvg('<?xml version="1.0"?><!DOCTYPE svg><svg/>')).toBe('<svg/>');
    expect(inlineSvg('nothing')).toBe('');
  });
});
