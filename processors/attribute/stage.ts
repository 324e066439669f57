import type { Ref } from '../reload.ts';
import { live, type Stage } from '../stage.ts';
import type { Directory } from './directory.ts';

/**
 * Says which team, cost centre, project and environment pay for each call, by which rule, and the model where the
 * call doesn't say it and a rule does. Adjustments carry the labels of the call that they correct.
 */
export function attributeStage(directory: Ref<Directory>): Stage {
  return {
    name: 'attribute',
    run(batch) {
      const rules = directory.current();
      if (rules.size === 0) return;
      for (const { row, event } of live(batch)) {
        if (event.kind !== 'call') continue;
        const found = rules.attribute(row, Date.parse(row.ts));
        row.team = found.team;
        row.cost_center = found.cost_center;
        row.project = found.project;
        row.environment = found.environment;
        row.attribution = found.labelsRule;
        if (row.model === '' && found.model !== '') {
          row.model = found.model;
          row.model_source = 'rule';
          if (found.modelRule !== found.labelsRule)
            row.attribution = [found.labelsRule, `model: ${found.modelRule}`]
              .filter((part) => part !== '')
              .join('; ');
        }
      }
    },
  };
}
