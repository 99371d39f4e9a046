import type { ProcessDefinition, TypeDefinition } from './types.js';

/**
 * The compiled types, looked up by what requests carry. Never changes: `withType` and `without` derive another one, so a request
 * keeps one view from start to end. Every lookup is one Map access.
 */
export class TypeRegistry {
  private readonly names = new Map<string, TypeDefinition>();
  private readonly paths = new Map<string, TypeDefinition>();
  private readonly prefixes = new Map<string, TypeDefinition[]>();
  private readonly processes = new Map<string, ProcessDefinition>();

  constructor(types: Iterable<TypeDefinition> = []) {
    for (const type of types) this.add(type);
  }

  /** By its exact name, as declared. */
  byName(name: string): TypeDefinition | undefined {
    return this.names.get(name);
  }

  /** By plural or singular, any letter case: what stands in a path. */
  byPlural(text: string): TypeDefinition | undefined {
    return this.paths.get(text.toLowerCase());
  }

  /** All types of an id prefix: prefixes may coincide, numbers never do. */
  byPrefix(prefix: string): readonly TypeDefinition[] {
    return this.prefixes.get(prefix) ?? [];
  }

  /** By full name, any letter case: `instance.start`. */
  process(name: string): ProcessDefinition | undefined {
    return this.processes.get(name.toLowerCase());
  }

  all(): TypeDefinition[] {
    return [...this.names.values()];
  }

  /** This registry with one type added, or replaced by name. */
  withType(type: TypeDefinition): TypeRegistry {
    return new TypeRegistry([...this.all().filter((other) => other.name !== type.name), type]);
  }

  without(name: string): TypeRegistry {
    return new TypeRegistry(this.all().filter((type) => type.name !== name));
  }

  private add(type: TypeDefinition): void {
    this.names.set(type.name, type);
    this.paths.set(type.plural.toLowerCase(), type);
    this.paths.set(type.name.toLowerCase(), type);
    const sharing = this.prefixes.get(type.idPrefix);
    if (sharing === undefined) this.prefixes.set(type.idPrefix, [type]);
    else sharing.push(type);
    for (const process of Object.values(type.processes)) this.processes.set(process.name, process);
  }
}
