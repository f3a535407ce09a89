/** What axe finds wrong with a part of a page, as far as that can be told without a layout. */
import axe from 'axe-core';

const NEED_A_LAYOUT = ['color-contrast', 'label-content-name-mismatch', 'target-size'];

export async function violationsOf(element: Element): Promise<string[]> {
  const rules = Object.fromEntries(NEED_A_LAYOUT.map(rule => [rule, { enabled: false }]));
  const { violations } = await axe.run(element, { rules });
  return violations.map(rule => `${rule.id}: ${rule.nodes.map(node => node.html).join(' ')}`);
}
