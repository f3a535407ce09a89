import { LabIcon } from '@jupyterlab/ui-components';

export const codepadIcon = new LabIcon({
  name: 'jupyter-codepad:icon',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16"><g class="jp-icon3" fill="#616161"><path d="M4 4h16a2 2 0 0 1 2 2v6.300A6 6 0 0 0 13.300 18H4a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2zm4.300 4L4.600 11l3.700 3 .9-1.200L7 11l2.200-1.800zm7 0-.9 1.200 2.200 1.800-2.200 1.800.9 1.200 3.700-3zm-3.600-.7-2 7.200 1.300.3 2-7.200z"/><path d="M18.500 13.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9zm2.500 5h-2v2h-1v-2h-2v-1h2v-2h1v2h2z"/></g></svg>'
});
