/** What the peers' threads do: piscina and tinypool call the default export. */
export default () => {};
