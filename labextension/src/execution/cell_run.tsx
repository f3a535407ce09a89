/** What there is to a cell's newest run besides its output, for a notebook that is not the room page's. */
import { useSignal } from '../react';
import type { IRunEntry, RunsModel } from './model';
import { useTypedAt } from './stdin';
import { type IRunRights, RunEnd } from './view';

/** Whether there is more to a run than its output. */
export function saysMore(run: IRunEntry): boolean {
  return run.truncated || run.message !== '' || run.files !== '' || run.input !== null || run.answeredBy !== '';
}

/** Who has given the last answer to what a cell has asked. */
export function AnsweredBy(props: { run: IRunEntry }): JSX.Element | null {
  const { answeredBy } = props.run;
  return answeredBy ? <p className="cp-note" data-testid="answered-by">{`answered by ${answeredBy}`}</p> : null;
}

export function CellRun(props: { model: RunsModel; cellId: string; rights: () => IRunRights }): JSX.Element | null {
  const { model, cellId, rights } = props;
  useSignal(model.changed);
  const typedAt = useTypedAt();
  const run = model.ofCell(cellId);
  return (
    run && (
      <div className="cp-cell-run" data-testid="cell-run" data-status={run.status}>
        <RunEnd model={model} run={run} rights={rights()} typedAt={typedAt} />
        <AnsweredBy run={run} />
      </div>
    )
  );
}
