// Runs cells in tslab's own executor, as its kernel does, and prints as JSON what the kernel would have sent.
// Use: node cells.cjs '["first cell", "second cell"]'
const {JupyterHandlerImpl} = require('tslab/dist/jupyter.js');
const {createExecutor} = require('tslab/dist/executor.js');
const {createConverter} = require('tslab/dist/converter.js');

const converter = createConverter({isJS: true, isBrowser: false});
const executor = createExecutor(
  process.cwd(),
  {
    node: converter,
    get browser() {
      return converter;
    },
    close: () => converter.close(),
  },
  console,
);
const handler = new JupyterHandlerImpl(executor, true);
const write = process.stdout.write.bind(process.stdout);

async function main() {
  const sent = [];
  const cells = JSON.parse(process.argv[2]);
  for (const [cell, code] of cells.entries()) {
    const {status} = await handler.handleExecute(
      {code},
      (stream, text) => sent.push({cell, stream, text}),
      (content, update) =>
        sent.push({cell, update, id: content.transient.display_id, data: content.data}),
    );
    sent.push({cell, status});
  }
  write(JSON.stringify(sent), () => process.exit(0));
}

main();
