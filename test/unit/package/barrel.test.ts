import assert from "node:assert/strict";
import { join, relative, resolve } from "node:path";
import ts from "typescript";

const root = resolve(__dirname, "../../..");
const barrel = join(root, "components/index.ts");

/** Types of this project that the public declarations name, and that other programs could not import. */
function forgotten(): string[] {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const program = ts.createProgram([barrel], options);
  const checker = program.getTypeChecker();
  const resolved = (symbol: ts.Symbol): ts.Symbol =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const module = checker.getSymbolAtLocation(program.getSourceFile(barrel)!)!;
  const exported = new Set(checker.getExportsOfModule(module).map(resolved));
  const missing = new Set<string>();

  const visit = (node: ts.Node): void => {
    if (ts.isBlock(node) || isPrivate(node)) {
      return;
    }
    const name = ts.isTypeReferenceNode(node)
      ? node.typeName
      : ts.isExpressionWithTypeArguments(node)
        ? node.expression
        : undefined;
    const symbol = name === undefined ? undefined : checker.getSymbolAtLocation(name);
    if (symbol !== undefined) {
      judge(resolved(symbol));
    }
    ts.forEachChild(node, visit);
  };
  const judge = (symbol: ts.Symbol): void => {
    const declaration = symbol.declarations?.[0];
    const file = declaration?.getSourceFile().fileName;
    const ours = file?.startsWith(root) && !file.includes("/node_modules/");
    if (ours && !(symbol.flags & ts.SymbolFlags.TypeParameter) && !exported.has(symbol)) {
      missing.add(`${symbol.name} (${relative(root, file!)})`);
    }
  };
  for (const symbol of exported) {
    symbol.declarations?.forEach(visit);
  }
  return [...missing].sort();
}

/** What a declaration file does not show: private members, and the expressions that values begin with. */
function isPrivate(node: ts.Node): boolean {
  const modifiers = ts.canHaveModifiers(node) ? ts.getModifiers(node) : undefined;
  return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword) ?? false;
}

describe("what other programs import", function () {
  this.timeout(180_000); // it compiles the components

  it("holds every type that the arguments and outputs of the components name", () => {
    assert.deepEqual(forgotten(), [], "export these from components/index.ts");
  });
});
