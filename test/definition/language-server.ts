/** The YAML language server that editors run, spoken to as an editor does: JSON-RPC over its standard streams. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';

export interface Diagnostic {
  /** From 1, as people count. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

interface Position {
  readonly line: number;
  readonly character: number;
}

const require = createRequire(import.meta.url);
const path = require.resolve('yaml-language-server/bin/yaml-language-server');

export class LanguageServer {
  readonly #process: ChildProcess = spawn(process.execPath, [path, '--stdio'], { stdio: ['pipe', 'pipe', 'ignore'] });
  readonly #answers = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #diagnosed = new Map<string, PromiseWithResolvers<readonly Diagnostic[]>>();
  #received = Buffer.alloc(0);
  #requests = 0;
  #documents = 0;

  /** Resolves when it is ready. It looks nothing up in the network: each document names its schema. */
  async start(): Promise<void> {
    this.#process.stdout!.on('data', (bytes: Buffer) => this.#receive(bytes));
    const textDocument = { completion: {}, hover: { contentFormat: ['plaintext'] }, publishDiagnostics: {} };
    await this.#request('initialize', { processId: process.pid, rootUri: null, capabilities: { textDocument } });
    this.#send({ method: 'initialized', params: {} });
    const yaml = { completion: true, hover: true, validate: true, schemaStore: { enable: false } };
    this.#send({ method: 'workspace/didChangeConfiguration', params: { settings: { yaml } } });
  }

  async stop(): Promise<void> {
    const exit = once(this.#process, 'exit');
    await this.#request('shutdown', null);
    this.#send({ method: 'exit' });
    await exit;
  }

  /** The keys and values offered where `|` stands in the text, each with its description. */
  async complete(schema: string, text: string): Promise<ReadonlyMap<string, string>> {
    const { items } = (await this.#at('textDocument/completion', schema, text)) as {
      readonly items: readonly { readonly label: string; readonly documentation?: string }[];
    };
    return new Map(items.map(({ label, documentation = '' }) => [label, documentation]));
  }

  /** What is shown where `|` stands in the text. */
  async hover(schema: string, text: string): Promise<string> {
    const { contents } = (await this.#at('textDocument/hover', schema, text)) as {
      readonly contents: { readonly value: string };
    };
    return contents.value;
  }

  /** Everything that is underlined in the text. */
  async diagnose(schema: string, text: string): Promise<readonly Diagnostic[]> {
    const uri = this.#open(schema, text);
    const diagnosed = Promise.withResolvers<readonly Diagnostic[]>();
    this.#diagnosed.set(uri, diagnosed);
    return diagnosed.promise;
  }

  #at(method: string, schema: string, text: string): Promise<unknown> {
    const cursor = text.indexOf('|');
    const lines = text.slice(0, cursor).split('\n');
    const uri = this.#open(schema, text.slice(0, cursor) + text.slice(cursor + 1));
    // The line that names the schema comes before.
    const position: Position = { line: lines.length, character: lines.at(-1)!.length };
    return this.#request(method, { textDocument: { uri }, position });
  }

  #open(schema: string, text: string): string {
    const uri = `file:///editor/${this.#documents++}.yaml`;
    const document = `# yaml-language-server: $schema=${schema}\n${text}`;
    this.#send({
      method: 'textDocument/didOpen',
      params: { textDocument: { uri, languageId: 'yaml', version: 1, text: document } },
    });
    return uri;
  }

  #request(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#requests;
    const answer = Promise.withResolvers<unknown>();
    this.#answers.set(id, answer);
    this.#send({ id, method, params });
    return answer.promise;
  }

  #send(message: Message): void {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message });
    this.#process.stdin!.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    for (;;) {
      const headEnd = this.#received.indexOf('\r\n\r\n');
      if (headEnd === -1) return;
      const length = Number(/Content-Length: (\d+)/i.exec(this.#received.toString('latin1', 0, headEnd))?.[1]);
      const end = headEnd + 4 + length;
      if (this.#received.length < end) return;
      const message = JSON.parse(this.#received.toString('utf8', headEnd + 4, end)) as Message;
      this.#received = this.#received.subarray(end);
      this.#handle(message);
    }
  }

  #handle({ id, method, params, result, error }: Message): void {
    if (method === 'textDocument/publishDiagnostics') return this.#diagnosedAs(params);
    if (id === undefined) return;
    if (method !== undefined) {
      // It asks for settings of the editor, which has none but those told at the start.
      const { items = [] } = params as { readonly items?: readonly unknown[] };
      return this.#send({ id, result: method === 'workspace/configuration' ? items.map(() => null) : null });
    }
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    if (error) answer?.reject(new Error(error.message));
    else answer?.resolve(result);
  }

  #diagnosedAs(params: unknown): void {
    const { uri, diagnostics } = params as {
      readonly uri: string;
      readonly diagnostics: readonly { readonly message: string; readonly range: { readonly start: Position } }[];
    };
    const found = diagnostics.map(({ message, range: { start } }) => ({
      line: start.line,
      column: start.character + 1,
      message,
    }));
    this.#diagnosed.get(uri)?.resolve(found);
  }
}
