/** The faults that can be planted in a file: small changes as a slip of the hand would make them. */
import ts from "npm:typescript@5.9.3";

/** A fault, not yet planted. */
export interface Fault {
  readonly path: string;
  /** From 1, for people. */
  readonly line: number;
  /** What is changed, and the line it is in. */
  readonly what: string;
  /** The file with the fault in it. */
  readonly code: string;
}

const { SyntaxKind } = ts;

/** An operator, and the one that somebody might have meant. */
const OPERATORS = new Map<ts.SyntaxKind, string>([
  [SyntaxKind.AmpersandAmpersandToken, "||"],
  [SyntaxKind.BarBarToken, "&&"],
  [SyntaxKind.EqualsEqualsEqualsToken, "!=="],
  [SyntaxKind.ExclamationEqualsEqualsToken, "==="],
  [SyntaxKind.LessThanToken, "<="],
  [SyntaxKind.LessThanEqualsToken, "<"],
  [SyntaxKind.GreaterThanToken, ">="],
  [SyntaxKind.GreaterThanEqualsToken, ">"],
  [SyntaxKind.PlusToken, "-"],
  [SyntaxKind.MinusToken, "+"],
  [SyntaxKind.PlusEqualsToken, "-="],
  [SyntaxKind.MinusEqualsToken, "+="],
  [SyntaxKind.AmpersandToken, "|"],
  [SyntaxKind.BarToken, "&"],
]);

/** The other end of the same thing. */
const OPPOSITES = new Map(
  [["after", "before"], ["push", "unshift"], ["first", "last"], ["receivers", "senders"]]
    .flatMap(([a, b]): [string, string][] => [[a!, b!], [b!, a!]]),
);

/** Each fault that can be planted in `code`, in the order of the lines. */
export function faultsIn(path: string, code: string): Fault[] {
  const source = ts.createSourceFile(path, code, ts.ScriptTarget.Latest, true);
  const faults: Fault[] = [];

  function replace(node: ts.Node, by: string, how: string): void {
    const [start, end] = [node.getStart(source), node.getEnd()];
    const { line } = source.getLineAndCharacterOfPosition(start);
    const shown = code.split("\n")[line]!.trim();
    faults.push({
      path,
      line: line + 1,
      what: `${how} in: ${shown}`,
      code: code.slice(0, start) + by + code.slice(end),
    });
  }

  function remove(node: ts.Node): void {
    replace(node, ";", `without \`${firstLine(node.getText(source))}\``);
  }

  function negate(condition: ts.Expression): void {
    // Where a comparison is all there is, its operator is changed as well, to the same effect.
    const isEquality = ts.isBinaryExpression(condition) &&
      /^[!=]==$/.test(condition.operatorToken.getText(source));
    if (isEquality || condition.kind === SyntaxKind.TrueKeyword) return;
    const text = condition.getText(source);
    replace(condition, `!(${text})`, `not \`${firstLine(text)}\``);
  }

  function visit(node: ts.Node): void {
    if (isOnlyTypes(node)) return;
    if (ts.isExpressionStatement(node)) {
      if (!node.getText(source).startsWith("super(")) remove(node);
    } else if (ts.isThrowStatement(node)) {
      return remove(node); // what it says is not the point
    } else if (ts.isBreakStatement(node) || ts.isContinueStatement(node)) {
      remove(node);
    } else if (ts.isReturnStatement(node) && node.expression === undefined) {
      remove(node);
    } else if (ts.isIfStatement(node) || ts.isWhileStatement(node) || ts.isDoStatement(node)) {
      negate(node.expression);
    } else if (ts.isConditionalExpression(node)) {
      negate(node.condition);
    } else if (ts.isBinaryExpression(node)) {
      const operator = node.operatorToken;
      const other = OPERATORS.get(operator.kind);
      const isText = [node.left, node.right].some((side) =>
        ts.isStringLiteralLike(side) || ts.isTemplateExpression(side)
      );
      if (other !== undefined && !isText) {
        replace(operator, other, `${operator.getText(source)} → ${other}`);
      }
    } else if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
      const text = node.getText(source);
      const operand = node.operand.getText(source);
      if (node.operator === SyntaxKind.PlusPlusToken) {
        replace(node, text.replace("++", "--"), "++ → --");
      } else if (node.operator === SyntaxKind.MinusMinusToken) {
        replace(node, text.replace("--", "++"), "-- → ++");
      } else if (node.operator === SyntaxKind.ExclamationToken) {
        replace(node, operand, `without ! before \`${operand}\``);
      }
    } else if (ts.isPropertyAccessExpression(node)) {
      const name = node.name.text;
      const other = OPPOSITES.get(name);
      if (other !== undefined) replace(node.name, other, `${name} → ${other}`);
    } else if (ts.isNumericLiteral(node) && /^\d+$/.test(node.text)) {
      replace(node, String(Number(node.text) + 1), `${node.text} → ${Number(node.text) + 1}`);
    } else if (node.kind === SyntaxKind.TrueKeyword) {
      replace(node, "false", "true → false");
    } else if (node.kind === SyntaxKind.FalseKeyword) {
      replace(node, "true", "false → true");
    }
    ts.forEachChild(node, visit);
  }

  visit(source);
  return faults;
}

/** Nothing in it is there at run time, or nothing that a fault would change. */
function isOnlyTypes(node: ts.Node): boolean {
  return ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node);
}

function firstLine(text: string): string {
  const [first, ...more] = text.split("\n");
  return more.length > 0 ? `${first} …` : first!;
}
