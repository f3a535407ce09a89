/**
 * Builds the room page into ../jupyter_codepad/static/page: hashed files, compressed twins, and a
 * manifest that tells the server what to load.
 */
import { build, context } from 'esbuild';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';

const OUT = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../jupyter_codepad/static/page');
const FIRST_LOAD_LIMIT_BYTES = 350 * 1024;
/** With all that notebooks, formulas and every language bring along, each when it is needed. */
const WHOLE_LIMIT_BYTES = 1200 * 1024;

const options = {
  entryPoints: { index: 'src/page/index.tsx', lobby: 'src/lobby/index.ts' },
  absWorkingDir: join(OUT, '../../../labextension'),
  bundle: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  minify: true,
  sourcemap: false,
  metafile: true,
  legalComments: 'none',
  entryNames: '[name]-[hash]',
  chunkNames: 'chunk-[hash]',
  assetNames: '[name]-[hash]',
  define: { 'process.env.NODE_ENV': '"production"' },
  outdir: OUT,
  write: false,
  plugins: [{ name: 'write', setup: b => b.onEnd(write) }]
};

function entryOf(outputs, source) {
  const [path, output] = outputs.find(([, one]) => one.entryPoint === source);
  return { entry: basename(path), css: output.cssBundle ? [basename(output.cssBundle)] : [] };
}

async function write(result) {
  if (result.errors.length) {
    return;
  }
  await rm(OUT, { recursive: true, force: true });
  await mkdir(OUT, { recursive: true });
  const sizes = {};
  for (const file of result.outputFiles) {
    const name = basename(file.path);
    const packed = gzipSync(file.contents, { level: constants.Z_BEST_COMPRESSION });
    sizes[name] = packed.length;
    await writeFile(join(OUT, name), file.contents);
    await writeFile(join(OUT, `${name}.gz`), packed);
  }
  const outputs = Object.entries(result.metafile.outputs);
  const [entryPath, entry] = outputs.find(([, output]) => output.entryPoint === 'src/page/index.tsx');
  const preload = new Set();
  const follow = output => {
    for (const { path, kind } of output.imports) {
      if (kind === 'import-statement' && !preload.has(path)) {
        preload.add(path);
        follow(result.metafile.outputs[path]);
      }
    }
  };
  follow(entry);
  const manifest = {
    entry: basename(entryPath),
    css: entry.cssBundle ? [basename(entry.cssBundle)] : [],
    preload: [...preload].map(path => basename(path)),
    lobby: entryOf(outputs, 'src/lobby/index.ts')
  };
  await writeFile(join(OUT, 'manifest.json'), JSON.stringify(manifest, null, 2));
  const first = [manifest.entry, ...manifest.preload].reduce((sum, name) => sum + sizes[name], 0);
  console.log(`room page: first load ${(first / 1024).toFixed(1)} kB of JavaScript (gzip)`);
  const whole = Object.entries(sizes).reduce((sum, [name, size]) => (name.endsWith('.js') ? sum + size : sum), 0);
  console.log(`room page: ${(whole / 1024).toFixed(1)} kB with all that is loaded when it is needed`);
  if (first > FIRST_LOAD_LIMIT_BYTES || whole > WHOLE_LIMIT_BYTES) {
    throw new Error('the room page is too large');
  }
}

if (process.argv.includes('--watch')) {
  await (await context(options)).watch();
} else {
  await build(options);
}
