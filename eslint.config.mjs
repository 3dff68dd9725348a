import { createNodeResolver, flatConfigs } from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

// Who may know whom: a room, and the rooms that nothing in it may import. `import type` counts, for whoever names
// another's type knows it.
const rooms = [
  { target: "./components", from: ["./config", "./templates", "./ci", "./index.ts", "./lab", "./bench", "./test"] },
  { target: "./hosts", from: ["./config", "./templates", "./ci", "./index.ts", "./lab", "./bench", "./test"] },
  { target: "./config", from: ["./ci", "./index.ts", "./lab", "./bench", "./test"] },
  { target: "./templates", from: ["./ci", "./index.ts", "./lab", "./bench", "./test"] },
  { target: "./ci", from: ["./lab", "./bench", "./test"] },
  { target: "./index.ts", from: ["./ci", "./lab", "./bench", "./test"] },
  { target: "./lab", from: ["./bench", "./test"] },
];

export default tseslint.config(
  { ignores: ["**/node_modules/", ".lab/", "dist/", "examples/", "**/*.cjs"] },
  ...tseslint.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [flatConfigs.typescript],
    plugins: { "import-x": flatConfigs.recommended.plugins["import-x"] },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    settings: { "import-x/resolver-next": [createNodeResolver({ extensions: [".ts", ".js", ".json"] })] },
    rules: {
      // A promise that nobody waits for hides its error; in tests it hides a failure.
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // An empty interface that extends another names the arguments of a component.
      "@typescript-eslint/no-empty-object-type": ["error", { allowInterfaces: "with-single-extends" }],
      // A second line under an if without braces looks as if it belonged to it.
      curly: ["error", "all"],
      "import-x/no-cycle": ["error", { ignoreExternal: true }],
      "import-x/no-restricted-paths": ["error", { zones: rooms, basePath: import.meta.dirname }],
    },
  },
  { files: ["lab/**/*.ts", "test/{host,lab,unit}/**/*.ts"], rules: { curly: "off" } },
);
