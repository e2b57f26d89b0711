// Read before anything that an older Node could not parse: says in one sentence which Node is needed.
const neededMajor = 24;
if (Number(process.versions.node.split('.')[0]) < neededMajor) {
  process.stderr.write(
    `pipectl needs Node ${neededMajor} or newer, and this is Node ${process.versions.node}: install it from https://nodejs.org or run \`npx node@${neededMajor} $(command -v pipectl)\`.\n`,
  );
  process.exit(1);
}
